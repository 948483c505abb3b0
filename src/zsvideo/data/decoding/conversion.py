"""Decoded frames to RGB pixels: only the part of them that is kept is converted."""

from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from av.filter import Graph
from av.video.reformatter import VideoReformatter

from zsvideo.data.decoding.base import part_of
from zsvideo.data.decoding.faults import DAMAGED, UnreadableVideoError
from zsvideo.data.transforms import View

CUT = {"yuv420p", "yuvj420p"}  # with even sides converted pixel by pixel, else interpolated


def upright(frames: Iterable[Any], view: View | None = None) -> Iterator[np.ndarray]:
    """Convert frames to (H, W, 3) uint8 RGB, turned as the file says; give their part.

    Args:
        frames: of PyAV.
        view: what is kept of an upright frame; None for all of it.

    Raises:
        UnreadableVideoError: a frame is damaged, or too small.
    """
    part = cache(partial(part_of, view))
    convert = VideoReformatter()
    croppers: dict[tuple[Any, ...], Graph] = {}
    for frame in frames:
        if frame.is_corrupt:
            raise UnreadableVideoError(DAMAGED)
        turns, width, height = frame.rotation // 90, frame.width, frame.height
        if turns or frame.format.name not in CUT or width % 2 or height % 2:
            pixels = convert.reformat(frame, format="rgb24", threads=1).to_ndarray()
            turned = np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
            yield part(*turned.shape[:2]).of(turned)
            continue
        kept = part(height, width)
        top, left = kept.top - kept.top % 2, kept.left - kept.left % 2  # where chroma begins
        size = kept.right + kept.right % 2 - left, kept.bottom + kept.bottom % 2 - top
        if size != (width, height):
            key = frame.format.name, width, height, *size, left, top
            if key not in croppers:
                croppers[key] = cropper(frame, *size, left, top)
            croppers[key].push(frame)
            frame = croppers[key].pull()
        plane: Any = convert.reformat(frame, format="rgb24", threads=1).planes[0]
        lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        pixels = lines[kept.top - top : kept.bottom - top, : 3 * (kept.right - left)]
        yield kept.finish(pixels.reshape(len(pixels), -1, 3)[:, kept.left - left :])


def cropper(frame: Any, width: int, height: int, left: int, top: int) -> Graph:
    """Make a filter that cuts frames like this one without copying them."""
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=frame.time_base
    )
    crop = graph.add("crop", f"{width}:{height}:{left}:{top}")
    graph.link_nodes(source, crop, graph.add("buffersink")).configure()
    return graph
