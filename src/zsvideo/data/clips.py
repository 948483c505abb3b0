"""Videos to batches of clips, with the same pixels for any number of workers.

Shapes: B batch, N clips, C channels, T frames, H W, D embedding.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from zsvideo.data.decoding.faults import ShorterVideoError, UnreadableVideoError
from zsvideo.data.decoding.reading import claimed_length, open_video
from zsvideo.data.kenburns import is_image, ken_burns
from zsvideo.data.options import ClipSpec
from zsvideo.data.sampling import (
    clip_frames,
    hold_last,
    spread_frames,
    test_frames,
    train_start,
)
from zsvideo.data.sharing import send
from zsvideo.data.transforms import Crop, View, random_crop
from zsvideo.data.videos import Video
from zsvideo.names import encoded
from zsvideo.semantics.class_vectors import ClassBank


class Clips(Dataset[dict[str, Any]]):
    """Clips of videos, as uint8.

    A sample is a dict: `ok`, False where no video tried is readable, `unreadable` list of
    (id, reason), and where it is ok the clips as `read_clips` gives them, `index` of the video, and
    of labelled videos `label` int and `target` (D,) float32, the vector of the class. `assemble`
    makes clips of a batch of them. The random numbers of a training clip come from (seed, epoch, id
    of the video) alone.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        bank: ClassBank | None,
        spec: ClipSpec,
        seed: int,
        train: bool,
        replace: bool = True,
    ) -> None:
        """Choose the videos and how to cut them.

        Args:
            videos: all of classes in `bank`, if there is one.
            bank: the classes, whose order is the labels', with their targets (D,); None where
                they are unknown.
            spec: the clips.
            seed: of the random starts, crops and flips.
            train: one random clip a video, else `spec.test_clips` centre-cropped ones.
            replace: in training, take another video for an unreadable one.
        """
        self.videos, self.bank = videos, bank
        self.spec, self.seed, self.train, self.replace = spec, seed, train, replace

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        epoch, index = key
        unreadable: list[tuple[str, str]] = []
        for other in chain([index], self.others(epoch, index)):
            video = self.videos[other]
            try:
                pixels = self.cut(epoch, video)
            except UnreadableVideoError as error:
                unreadable.append((video.id, str(error)))
            else:
                return pixels | self.about(other, unreadable)
        return {"ok": False, "unreadable": unreadable}

    def cut(self, epoch: int, video: Video) -> dict[str, Tensor]:
        """Read the clips of a video; random numbers are the same in any subset of the videos."""
        key = (self.seed, epoch, zlib.crc32(encoded(video.id)))
        return read_clips(video, self.spec, np.random.default_rng(key) if self.train else None)

    def others(self, epoch: int, index: int) -> Iterator[int]:
        """Draw videos to replace an unreadable one, in training."""
        if self.train and self.replace:
            rng = np.random.default_rng((self.seed, epoch, index))
            yield from (int(rng.integers(len(self.videos))) for _ in range(100))

    def about(self, index: int, unreadable: list[tuple[str, str]]) -> dict[str, Any]:
        """Return the parts of a readable sample that are not its pixels."""
        sample = {"ok": True, "index": index, "unreadable": unreadable}
        if self.bank is not None:
            label = self.bank.rows[self.videos[index].label]
            target = torch.as_tensor(self.bank.vectors[label], dtype=torch.float32)
            sample |= {"label": label, "target": target}
        return sample


def read_clips(
    video: Video, spec: ClipSpec, rng: np.random.Generator | None = None
) -> dict[str, Tensor]:
    """Read clips of a video, whatever its class; each frame is decoded once.

    Args:
        video: the file, or a window of it; in training also a still image (Sec. 4.1).
        spec: the clips.
        rng: of a training clip: T consecutive frames from a random start, or one from each of T
            parts (`spec.sampling`), randomly cropped, to be mirrored or not; None for N linearly
            spaced, centre-cropped test clips.

    Returns:
        `frames` (F, H, W, C) uint8; `frame_indices` (N, T), which of them each clip shows; with
        `rng` also `mirrored` () bool.

    Raises:
        UnreadableVideoError: the file is missing, no video, empty, or damaged.
    """
    if rng is None:
        return read_frames(video, spec, Crop(), partial(test_indices, video, spec))
    crop = random_crop(rng, spec.flip)
    if is_image(video.path):
        frames = ken_burns(video.path, rng, spec.frames, spec.crop, spec.ken_burns)
        flip = crop.flip and spec.ken_burns == "ours"  # the authors' code does not mirror images
        indices = torch.arange(spec.frames)[None]
        sample = {"frames": torch.from_numpy(frames), "frame_indices": indices}
        return sample | {"mirrored": torch.tensor(flip)}
    sample = read_frames(video, spec, crop, partial(train_indices, spec, rng))
    return sample | {"mirrored": torch.tensor(crop.flip)}


def train_indices(spec: ClipSpec, rng: np.random.Generator, length: int) -> np.ndarray:
    """Draw the frames (1, T) of a training clip of a video of a length."""
    if spec.sampling != "consecutive":
        return spread_frames(length, spec.frames, 1, spec.sampling, rng)
    start = train_start(length, spec.frames, rng, spec.train_last)
    return clip_frames(np.array([start]), length, spec.frames, spec.short_videos)


def test_indices(video: Video, spec: ClipSpec, length: int) -> np.ndarray:
    """List the frames (N, T) of the test clips of a video of a length."""
    if spec.sampling != "consecutive":
        used = min(length, spec.segment_cap or length) if video.window else length
        return spread_frames(used, spec.frames, spec.counts[-1], spec.sampling)
    return test_frames(
        length,
        spec.frames,
        spec.counts[-1],
        spec.test_rule,
        spec.single_clip,
        spec.segment_cap if video.window else None,
        spec.short_videos,
    )


def read_frames(
    video: Video, spec: ClipSpec, crop: Crop, choose: Callable[[int], np.ndarray]
) -> dict[str, Tensor]:
    """Read the frames of the clips `choose(length)`, see `read_clips`.

    The length is that of the file, as it decodes or as its container claims it; of a labelled
    window always what decodes.
    """
    view = View.of(spec, crop)
    claimed = 0
    if spec.length == "claimed" and video.window is None:
        claimed = video.claimed or claimed_length(video.path)
    intended = choose(claimed) if claimed else None
    how = (video.window, video.frames, spec.decoder, video.index)
    with open_video(video.path, *how) as reader:

        def read() -> dict[str, Tensor]:
            length = len(reader)
            indices = choose(length) if intended is None else hold_last(intended, length)
            needed, inverse = np.unique(indices, return_inverse=True)
            return {
                "frames": torch.from_numpy(reader.get(needed, view)),
                "frame_indices": torch.from_numpy(inverse.reshape(indices.shape)),
            }

        try:
            return read()
        except ShorterVideoError:  # the reader knows its length now
            return read()


def collate(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stack samples into a batch, leaving out unreadable videos but not their names.

    Returns:
        `frames` (F, H, W, C) uint8 of all samples, `frame_indices` (B, N, T) of the clips' frames
        among them, in training `mirrored` (B,) (or cached `features` (B, F) in place of these),
        `index` (B,), of labelled videos `label` (B,) and `target` (B, D), and the list
        `unreadable`; only the list when no sample is ok.
    """
    batch: dict[str, Any] = {"unreadable": [pair for s in samples for pair in s["unreadable"]]}
    readable = [s for s in samples if s["ok"]]
    if not readable:
        return batch
    if "frames" in readable[0]:
        firsts = np.cumsum([0, *(len(s["frames"]) for s in readable[:-1])])
        batch["frames"] = torch.cat([s["frames"] for s in readable])
        batch["frame_indices"] = torch.stack(
            [s["frame_indices"] + int(first) for s, first in zip(readable, firsts, strict=True)]
        )
    for key in ("features", "mirrored", "target", "label", "index"):
        if key in readable[0]:
            batch[key] = torch.stack([torch.as_tensor(s[key]) for s in readable])
    return send(batch)


def assemble(batch: dict[str, Any]) -> Tensor:
    """Make the clips (B, N, C, T, H, W) uint8 of a batch, or (N, C, T, H, W) of a sample."""
    clips: Tensor = batch["frames"][batch["frame_indices"]]
    if "mirrored" in batch:
        mirrored = batch["mirrored"][..., None, None, None, None, None]
        clips = torch.where(mirrored, clips.flip(-2), clips)
    return clips.movedim(-1, -4)
