"""What a sweep would cost: clips, GPU-hours from a rate, disk.

Numbers of videos are those published, so a plan needs no data.
"""

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from src.data.synthetic import domain_classes
from src.experiment.cells import Cell, axis_value
from src.semantics.words import class_names

VIDEOS = {"kinetics400": 240_436, "kinetics600": 390_000, "kinetics700": 541_624, "sun397": 108_754,
          "ucf101": 13_320, "hmdb51": 6_766, "activitynet": 27_801}  # fmt: skip
PARAMETERS = {"r2plus1d": 31.5e6, "r3d": 33.3e6, "c3d": 62.6e6, "tiny": 0.1e6}
FORWARD = 1 / 3  # of the work of a training step
SCALARS = 3  # a checkpoint holds weights and the two moments of Adam
TESTED = 300 * 4  # bytes of an embedding


def published(videos: DictConfig) -> tuple[int, int]:
    """Give the classes and videos of a data set as published or generated; 0 if unknown."""
    if "domain" in videos:
        keys = ("domain", "target_classes", "planted", "data_seed")
        classes = len(domain_classes(*(videos[key] for key in keys)))
        return classes, classes * videos.videos
    table = videos.get("table")
    return (len(class_names(table)), VIDEOS[table]) if table in VIDEOS else (0, 0)


def training_videos(config: DictConfig) -> float:
    """Estimate the videos that a cell trains on: what its protocol and its subset leave."""
    classes, found = published(config.source)
    if not classes:
        return 0.0
    kept = (config.protocol.get("expected") or {}).get(config.source.get("table")) or classes
    videos: float = found * min(kept / classes, 1)
    subset: Any = config.get("subset") or {}
    if subset.get("classes"):
        videos *= min(subset.classes / kept, 1)
    if samples := subset.get("samples"):
        videos = min(videos, samples * videos if isinstance(samples, float) else samples)
    return videos


def clips(config: DictConfig) -> tuple[float, float]:
    """Count the clips of a cell that the network trains on and that it only encodes."""
    videos = training_videos(config)
    tested = sum(published(target)[1] for target in config.target.values())
    encoded = float(tested * config.clips.test_clips)
    choices = config.hydra.runtime.choices
    epoch = config.loader.epoch_samples
    if not config.loader.equal_updates:
        epoch = min(epoch, videos)
    if choices["method"] == "baseline":  # f_v sees each video once, then features are kept
        return 0.0, encoded + videos
    return epoch * config.trainer.max_epochs, encoded


def first_clips(config: DictConfig) -> tuple[tuple[Any, ...], float]:
    """Name the run that makes a cell's first weights, and count its training clips; 0 if none."""
    first = config.pretrain
    if first.get("source") is None or first.get("ckpt") is not None:
        return (), 0.0
    videos = published(first.source)[1]
    epoch = config.loader.epoch_samples
    if not config.loader.equal_updates:
        epoch = min(epoch, videos)
    epochs = first.max_epochs or config.trainer.max_epochs
    return (first.name, config.model.backbone, config.protocol.name, config.seed), epoch * epochs


def plan(left: Sequence[Cell], asked: int, rate: float) -> str:
    """List the cells that are missing, with their GPU-hours and disk.

    Args:
        left: cells without a finished run.
        asked: cells of the sweep.
        rate: training clips a second of one device.
    """
    lines, hours, disk = [], 0.0, 0.0
    firsts = dict(first_clips(cell.config) for cell in left)
    for cell in left:
        trained, encoded = clips(cell.config)
        own = (trained + FORWARD * encoded) / rate / 3600
        size = SCALARS * 4 * PARAMETERS.get(cell.config.model.backbone, 0)
        size += TESTED * sum(published(t)[1] for t in cell.config.target.values())
        hours, disk = hours + own, disk + size
        about = " ".join(f"{key}={value}" for key, value in cell.axes.items())
        lines.append(f"  {own:8.2f} h  {cell.folder.name}  {about}".rstrip())
    shared = sum(firsts.values()) / rate / 3600
    if shared:
        made = sum(bool(count) for count in firsts.values())
        lines.append(f"  {shared:8.2f} h  {made} runs that make first weights, shared by the cells")
    hours += shared
    lines.append(
        f"{len(left)} of {asked} cells missing; about {hours:,.1f} GPU-hours at rate={rate:g} "
        f"training clips/s (give the rate you measured), {disk / 1e9:,.1f} GB of disk"
    )
    if any(axis_value(c.config, "source") in ("folder", "csv") for c in left):
        lines.append("videos of own folders are not counted")
    return "\n".join(lines)
