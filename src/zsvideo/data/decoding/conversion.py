"""Decoded frames to RGB pixels: only the part of them that is kept is converted."""

from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.reformatter import VideoReformatter

from zsvideo.data.decoding.base import part_of
from zsvideo.data.decoding.faults import DAMAGED, UnreadableVideoError
from zsvideo.data.transforms import View

CUT = {"yuv420p", "yuvj420p"}  # with even sides converted pixel by pixel, else interpolated


class Orientation(NamedTuple):
    """How a frame becomes upright: rows and columns change places, then it is mirrored."""

    transposed: bool = False
    upside_down: bool = False
    mirrored: bool = False

    @property
    def is_mirror_image(self) -> bool:
        """Whether no turning alone makes it upright."""
        return self.transposed ^ self.upside_down ^ self.mirrored


def orientation(frame: Any) -> Orientation:
    """Read how a frame of PyAV is to be shown, by the display matrix of its file.

    The matrix (a b u, c d v, x y w; ISO 14496-12, 8.3.2) shows the pixel (x, y) at
    (a x + c y, b x + d y); of cameras only quarter turns and mirrorings are known.
    """
    # `frame.side_data` would keep the frame in memory until the next garbage collection.
    about: Any = SideDataContainer(frame)  # type: ignore[call-arg]
    matrix = next((part for part in about if part.type == Type.DISPLAYMATRIX), None)
    if matrix is None:
        return Orientation()
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).tolist()
    if abs(b) > abs(a):
        return Orientation(True, b < 0, c < 0)
    return Orientation(False, d < 0, a < 0)


def oriented(pixels: np.ndarray, how: Orientation) -> np.ndarray:
    """Make a frame (H, W, 3) upright."""
    pixels = pixels.swapaxes(0, 1) if how.transposed else pixels
    pixels = pixels[::-1] if how.upside_down else pixels
    return np.ascontiguousarray(pixels[:, ::-1] if how.mirrored else pixels)


def upright(frames: Iterable[Any], view: View | None = None) -> Iterator[np.ndarray]:
    """Convert frames to (H, W, 3) uint8 RGB, turned and mirrored as the file says; give their part.

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
        how, width, height = orientation(frame), frame.width, frame.height
        if any(how) or frame.format.name not in CUT or width % 2 or height % 2:
            pixels = convert.reformat(frame, format="rgb24", threads=1).to_ndarray()
            turned = oriented(pixels, how)
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
