"""Frames of test videos beside their classes on a map (Fig. 2), where videos are at hand."""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.reading import open_video
from zsvideo.data.layouts import class_folders
from zsvideo.data.manifest import NAME, read_manifest
from zsvideo.data.videos import Video
from zsvideo.errors import UserError

log = logging.getLogger(__name__)

SECTORS = 8  # directions from the middle of the map, one frame in each
SIDE = 112  # pixels of a frame


def map_frames(
    points: Sequence[Mapping[str, Any]], targets: Mapping[str, VideoSet], folder: Path
) -> list[dict[str, Any]]:
    """Write the middle frame of a video of some target classes, one in each direction of the map.

    Args:
        points: of the map: `dataset`, `name`, `group`, `x` and `y`.
        targets: by name; their folders may hold videos in one folder a class.
        folder: of the audit; the frames go into `frames/` there.

    Returns:
        `dataset`, `name`, `file` (below the folder) and `sector` of each; empty without videos.
    """
    videos = {name: first_videos(own) for name, own in targets.items()}
    middle = [float(np.mean([p[axis] for p in points])) for axis in "xy"] if points else [0, 0]
    by_sector: dict[int, list[tuple[float, Mapping[str, Any]]]] = {}
    for point in points:
        if point["group"] == "target" and point["name"] in videos.get(point["dataset"], ()):
            x, y = point["x"] - middle[0], point["y"] - middle[1]
            sector = round(math.atan2(y, x) / (2 * math.pi) * SECTORS) % SECTORS
            by_sector.setdefault(sector, []).append((math.hypot(x, y), point))
    frames = []
    for sector, candidates in sorted(by_sector.items()):
        for _, point in sorted(candidates, key=lambda one: (-one[0], one[1]["name"])):
            video = videos[point["dataset"]][point["name"]]
            try:
                with open_video(video.path) as reader:
                    (pixels,) = reader.get(np.array([len(reader) // 2]))
            except UnreadableVideoError:
                continue  # the next class of this direction
            file = Path("frames") / f"{point['dataset']}-{sector}.png"
            (folder / "frames").mkdir(parents=True, exist_ok=True)
            ImageOps.fit(Image.fromarray(pixels), (SIDE, SIDE)).save(folder / file)
            about = {"dataset": point["dataset"], "name": point["name"]}
            frames.append({**about, "file": str(file), "sector": sector, "video": video.id})
            break
    return frames


def first_videos(videos: VideoSet) -> dict[str, Video]:
    """Return the first video of each class of a target; empty where none are at hand."""
    manifest = videos.folder / NAME
    try:
        listed = class_folders(videos.folder) if videos.folder.is_dir() else []
        if manifest.is_file():
            listed = read_manifest(manifest, videos.option).videos
    except (OSError, UserError) as error:
        log.warning("no frames on the map: %s", error)
        return {}
    return {video.label: video for video in reversed(videos.official(listed))}
