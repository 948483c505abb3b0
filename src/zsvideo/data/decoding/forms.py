"""The forms of a prepared video: a pack of JPEG frames, or H.264 that decodes fast.

Both keep every frame and its time, at the short side of training; sound is dropped.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from pydantic import Field, Strict

from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.packs import SUFFIX, write_pack
from zsvideo.data.decoding.pyav_reader import WholeVideo, all_frames, claimed_frames
from zsvideo.data.transforms import resize_short_side
from zsvideo.options import options

SUFFIXES = {"pack": SUFFIX, "h264": ".mp4"}
# With macroblock trees x264 writes other bytes now and then, whatever the number of threads.
FAST = {"preset": "veryfast", "tune": "fastdecode", "mbtree": "0", "b_strategy": "0"}
SAMPLED = 48  # frames that the estimate of a file's size encodes


@options
class FormSpec:
    """How videos are prepared."""

    form: Literal["pack", "h264", "check"]
    """JPEG frames, a video file, or `check`, which writes nothing."""
    short_side: Annotated[int, Strict(), Field(ge=16, le=4096)]
    """Pixels; smaller videos keep their size."""
    quality: Annotated[int, Strict(), Field(ge=1, le=100)]
    """Of the JPEGs of a pack."""
    crf: Annotated[int, Strict(), Field(ge=0, le=51)]
    """Of H.264, lower is better."""
    key_frames: Annotated[int, Strict(), Field(ge=1, le=300)]
    """Their distance in H.264."""


def shrink(frame: np.ndarray, spec: FormSpec) -> np.ndarray:
    """Scale a frame (H, W, 3) uint8 to the short side, as clips are; H.264 needs even sides."""
    small = min(frame.shape[:2]) <= spec.short_side
    pixels = frame if small else resize_short_side(frame, spec.short_side)
    if spec.form == "h264":
        height, width = (side + side % 2 for side in pixels.shape[:2])
        pixels = np.pad(
            pixels, ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0)), "edge"
        )
    return pixels


def write_form(file: Path, video: WholeVideo, spec: FormSpec) -> int:
    """Write a video in its prepared form, whole or not at all; give the number of frames.

    Args:
        file: where to.
        video: as the original has it.
        spec: the form.

    Raises:
        UnreadableVideoError: while decoding; or a frame was lost.
    """
    part = file.with_name(file.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    small = video._replace(frames=((t, shrink(frame, spec)) for t, frame in video.frames))
    try:
        if spec.form == "pack":
            count = write_pack(part, small, spec.quality)
        else:
            count = write_h264(part, small, spec)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return count


def write_h264(file: Path, video: WholeVideo, spec: FormSpec) -> int:
    """Encode frames as H.264 that decodes fast, each with the time it had."""
    options = FAST | {"crf": str(spec.crf), "g": str(spec.key_frames)}
    count = kept = 0
    convert = VideoReformatter()
    with av.open(str(file), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=video.rate, options=options)
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
        stream.time_base = stream.codec_context.time_base = video.time_base
        for count, (time, pixels) in enumerate(video.frames, 1):
            rgb = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = convert.reformat(rgb, format="yuv420p", threads=1)
            if count == 1:
                stream.height, stream.width = frame.height, frame.width
            frame.pts, frame.time_base = time, video.time_base
            packets = stream.encode(frame)
            kept += len(packets)
            container.mux(packets)
        if count:
            packets = stream.encode()
            kept += len(packets)
            container.mux(packets)
    if kept != count:
        raise UnreadableVideoError(f"the encoder kept {kept} of {count} frames")
    return count


def form_bytes(path: str, spec: FormSpec) -> int:
    """Estimate the size of a prepared video from its first frames and the length it claims."""
    whole = all_frames(path)
    seen = 0

    def first() -> Iterator[tuple[int, np.ndarray]]:
        nonlocal seen
        for seen, pair in enumerate(islice(whole.frames, SAMPLED), 1):  # noqa: B007
            yield pair

    with TemporaryDirectory() as folder:
        sample = Path(folder) / "sample"
        write_form(sample, whole._replace(frames=first()), spec)
        size = sample.stat().st_size
    return size * max(claimed_frames(path), seen) // max(seen, 1)
