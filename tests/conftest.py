"""Fixtures: the real configs, tiny videos, toy vectors, and material beside the project."""

from fractions import Fraction

import av
import numpy as np
import pytest
from doors import run_door
from gensim.models import KeyedVectors
from hydra import compose, initialize_config_dir

from zsvideo.door import quote_digits
from zsvideo.resources import CONF, ROOT

SHARED = ROOT.parent / "shared"


@pytest.fixture
def shared():
    """The folder of real clips and golden values; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared")
    return SHARED


@pytest.fixture
def config(tmp_path):
    """Compose a door's config from options as typed."""

    def make(*options, door="train", run=None):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose(door, quote_digits(options), return_hydra_config=run is not None)

    return make


@pytest.fixture
def door(tmp_path):
    """Run a door as a user does: `door("train", "protocol=605")` gives the finished process."""

    def run(name, *options, prefix=(), **variables):
        own = {"DATA_ROOT": str(tmp_path / "data"), "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
        return run_door(name, options, own | variables, 280, prefix)

    return run


def write_video(file, frames, codec="mpeg4", fps=25, options=None):
    """Encode (T, H, W, 3) uint8 frames."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def grey_video(file, length, size=(48, 64), **how):
    """Write a video whose frame i has the grey value 5 i + 10."""
    values = (np.arange(length) * 5 + 10).astype(np.uint8)
    write_video(
        file, np.broadcast_to(values[:, None, None, None], (length, *size, 3)).copy(), **how
    )


def smooth(count, size=(64, 80)):
    """Give frames that codecs keep well, each with a grey value and a place of its own."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.stack(
        [
            np.repeat(
                (60 + i + 50 * np.sin((rows + 2 * i) / 9) + columns / 3)[..., None], 3, axis=2
            )
            for i in range(count)
        ]
    ).astype(np.uint8)


def variable_rate(file, times, frames):
    """Write frames that are shown at the given times in milliseconds."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=100, options={"g": "20", "crf": "10"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for time, pixels in zip(times, frames, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = int(time), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def toy_vectors(words, size=20, seed=0):
    """Make random word vectors of length 1 to 3."""
    rng = np.random.default_rng(seed)
    keyed = KeyedVectors(size)
    rows = rng.normal(size=(len(words), size)).astype(np.float32)
    rows *= rng.uniform(1, 3, size=(len(words), 1)) / np.linalg.norm(rows, axis=1, keepdims=True)
    keyed.add_vectors(list(words), rows.astype(np.float32))
    return keyed


@pytest.fixture
def folders(tmp_path):
    """A source and a target folder of tiny videos with toy vectors; gives their options."""
    words = ["jump", "run", "swim", "climb", "read", "write", "sing", "dance"]
    toy_vectors(words).save_word2vec_format(str(tmp_path / "toy.bin"), binary=True)
    for place, names in (("source", words[:4]), ("target", words[4:])):
        for number, name in enumerate(names):
            for video in range(2):
                grey_video(tmp_path / place / name / f"{video}.avi", 18 + 3 * number)
    return [
        "source=folder",
        f"source.root={tmp_path}/source",
        "target=[folder]",
        f"target.folder.root={tmp_path}/target",
        "protocol=targets",
        "semantics=word2vec",
        f"semantics.path={tmp_path}/toy.bin",
        "model=tiny",
        "clips.short_side=40",
        "clips.crop=32",
        "clips.test_clips=3",
        "loader.batch_size=4",
        "trainer.max_epochs=2",
        "trainer.accelerator=cpu",
    ]
