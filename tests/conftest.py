"""Fixtures: the real configs, tiny videos, toy vectors, and material beside the project."""

import os
import random

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from helpers.commands import run_cli
from helpers.shared import SHARED
from helpers.vectors import toy_vectors
from helpers.videos import grey_video
from zsvideo.overrides import readable
from zsvideo.resources import CONF, ROOT


@pytest.fixture(autouse=True)
def seeded():
    """Begin every test with the same random numbers, whichever tests ran before."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def tidy():
    """Let nothing new stand in the top of the project after a test, ignored folders aside."""
    before = visible()
    yield
    assert visible() <= before, "a test wrote into the project; write below tmp_path"


def visible():
    """List what a user sees in the top of the project."""
    ignored = {"data", "prepared", "runs", "multirun", "wandb", "lightning_logs", "build"}
    return {name for name in os.listdir(ROOT) if not name.startswith(".")} - ignored


@pytest.fixture
def shared():
    """The folder of real clips and golden values; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared")
    return SHARED


@pytest.fixture
def config(tmp_path):
    """Compose a command's config from options as typed."""

    def make(*options, cli="train", run=None):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose(cli, readable(options), return_hydra_config=run is not None)

    return make


@pytest.fixture
def cli(tmp_path):
    """Run a command as a user does: `cli("train", "protocol=605")` gives the finished process."""

    def run(name, *options, prefix=(), plain=False, **variables):
        own = {"DATA_ROOT": str(tmp_path / "data"), "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
        return run_cli(name, options, own | variables, 280, prefix, plain)

    return run


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
        "loader.workers=0",
        "trainer.max_epochs=2",
        "trainer.accelerator=cpu",
    ]
