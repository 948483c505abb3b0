"""Videos to batches of clips, with the same pixels for any number of workers.

Shapes: B batch, N clips, C channels, T frames, H W, D embedding.
"""

import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from zsvideo.data.decoding.faults import UnreadableVideo
from zsvideo.data.decoding.reading import claimed_length, read_frames
from zsvideo.data.kenburns import is_image, ken_burns
from zsvideo.data.layouts import Video
from zsvideo.data.options import ClipSpec
from zsvideo.data.sampling import (
    clip_frames,
    held,
    test_frames,
    train_start,
)
from zsvideo.data.transforms import Crop, View, random_crop
from zsvideo.semantics.class_vectors import ClassBank


class Clips(Dataset[dict[str, Any]]):
    """Clips of labelled videos, as uint8.

    A sample is a dict: `frames` (F, H, W, C) uint8, each needed frame once, `places` (N, T) of the
    clips' frames among them, `label` int, `target` (D,) float32 vector of the class, `index` of the
    video, `unreadable` list of (id, reason), and in training `mirrored` () bool. `assemble` makes
    clips of a batch of them. The random numbers of a training clip come from (seed, epoch, id of
    the video) alone.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        bank: ClassBank,
        spec: ClipSpec,
        seed: int,
        train: bool,
        replace: bool = True,
    ) -> None:
        """Choose the videos and how to cut them.

        Args:
            videos: all of classes in `bank`.
            bank: the classes, whose order is the labels', with their targets (D,).
            spec: the clips.
            seed: of the random starts, crops and flips.
            train: one random clip a video, else `spec.test_clips` centre-cropped ones.
            replace: in training, take another video for an unreadable one.
        """
        self.videos = list(videos)
        self.labels = bank.rows
        self.targets = torch.as_tensor(bank.vectors, dtype=torch.float32)
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
            except UnreadableVideo as error:
                unreadable.append((video.id, str(error)))
            else:
                return pixels | self.labelled(other, unreadable)
        return {"unreadable": unreadable}

    def cut(self, epoch: int, video: Video) -> dict[str, Tensor]:
        """Read the clips of a video; random numbers are the same in any subset of the videos."""
        if not self.train:
            return self.test_clips(video)
        key = (self.seed, epoch, zlib.crc32(video.id.encode()))
        return self.train_clip(video, np.random.default_rng(key))

    def others(self, epoch: int, index: int) -> Iterator[int]:
        """Draw videos to replace an unreadable one, in training."""
        if self.train and self.replace:
            rng = np.random.default_rng((self.seed, epoch, index))
            yield from (int(rng.integers(len(self.videos))) for _ in range(100))

    def labelled(self, index: int, unreadable: list[tuple[str, str]]) -> dict[str, Any]:
        """Give the parts of a sample that are not its pixels."""
        label = self.labels[self.videos[index].label]
        return {
            "label": label,
            "target": self.targets[label],
            "index": index,
            "unreadable": unreadable,
        }

    def train_clip(self, video: Video, rng: np.random.Generator) -> dict[str, Tensor]:
        """Read T consecutive frames from a random start, randomly cropped, to be mirrored or not.

        A still image becomes a clip by the Ken Burns effect (Sec. 4.1).
        """
        crop = random_crop(rng, self.spec.flip)
        if is_image(video.path):
            rule = self.spec.ken_burns
            frames = ken_burns(video.path, rng, self.spec.frames, self.spec.crop, rule)
            flip = crop.flip and rule == "ours"  # the authors' code does not mirror images
            return {
                "frames": torch.from_numpy(frames),
                "places": torch.arange(self.spec.frames)[None],
                "mirrored": torch.tensor(flip),
            }
        spec = self.spec

        def clip(length: int) -> np.ndarray:
            start = train_start(length, spec.frames, rng, spec.train_last)
            return clip_frames(np.array([start]), length, spec.frames, spec.short_videos)

        return self.read(video, crop, clip) | {"mirrored": torch.tensor(crop.flip)}

    def test_clips(self, video: Video) -> dict[str, Tensor]:
        """Read N linearly spaced, centre-cropped clips, decoding each frame once."""
        spec = self.spec
        cap = spec.segment_cap if video.window else None

        def clips(length: int) -> np.ndarray:
            return test_frames(
                length,
                spec.frames,
                spec.test_clips,
                spec.test_rule,
                spec.single_clip,
                cap,
                spec.short_videos,
            )

        return self.read(video, Crop(), clips)

    def read(self, video: Video, crop: Crop, clips: Any) -> dict[str, Tensor]:
        """Read the `frames` of the clips `clips(length)`, (N, T), and their `places`.

        The length is that of the file, as it decodes or as its container claims it; of a labelled
        window always what decodes.
        """
        spec = self.spec
        view = View(spec.short_side, spec.crop, crop, spec.resize, spec.antialias)
        claimed = 0
        if spec.length == "claimed" and video.window is None:
            claimed = video.claimed or claimed_length(video.path)
        meant = clips(claimed) if claimed else None
        frames: np.ndarray = np.empty(0, np.uint8)
        indices: np.ndarray = np.empty(0, np.int64)
        places: Iterator[np.ndarray] = iter(())

        def choose(length: int) -> np.ndarray:
            nonlocal frames, indices, places
            wanted = clips(length) if meant is None else held(meant, length)
            numbers, inverse = np.unique(wanted, return_inverse=True)
            indices = inverse.reshape(-1, spec.frames)
            frames = np.empty((len(numbers), spec.crop, spec.crop, 3), np.uint8)
            places = iter(frames)
            return numbers

        def keep(pixels: np.ndarray) -> None:
            np.copyto(next(places), pixels)

        read_frames(video.path, choose, keep, video.window, video.frames, spec.decoder, view.part)
        return {"frames": torch.from_numpy(frames), "places": torch.from_numpy(indices)}


def collate(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stack samples into a batch, leaving out unreadable videos but not their names.

    Returns:
        `frames` (F, H, W, C) uint8 of all samples, `places` (B, N, T) of the clips' frames among
        them, in training `mirrored` (B,) (or cached `features` (B, F) in place of these), `label`
        (B,), `target` (B, D), `index` (B,) and the list `unreadable`; only the list when no sample
        is readable.
    """
    batch: dict[str, Any] = {"unreadable": [pair for s in samples for pair in s["unreadable"]]}
    readable = [s for s in samples if "label" in s]
    if not readable:
        return batch
    if "features" in readable[0]:
        batch["features"] = torch.stack([s["features"] for s in readable])
    else:
        firsts = np.cumsum([0, *(len(s["frames"]) for s in readable)])
        batch["frames"] = torch.cat([s["frames"] for s in readable])
        batch["places"] = torch.stack(
            [s["places"] + int(first) for s, first in zip(readable, firsts[:-1], strict=True)]
        )
    for key in ("target", "mirrored"):
        if key in readable[0]:
            batch[key] = torch.stack([s[key] for s in readable])
    for key in ("label", "index"):
        batch[key] = torch.tensor([s[key] for s in readable])
    return batch


def assemble(batch: dict[str, Any]) -> Tensor:
    """Make the clips (B, N, C, T, H, W) uint8 of a batch, or (N, C, T, H, W) of a sample."""
    clips: Tensor = batch["frames"][batch["places"]]
    if "mirrored" in batch:
        mirrored = batch["mirrored"][..., None, None, None, None, None]
        clips = torch.where(mirrored, clips.flip(-2), clips)
    return clips.movedim(-1, -4)
