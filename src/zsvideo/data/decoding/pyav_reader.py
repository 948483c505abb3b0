"""Exact frames by number with PyAV: only the needed stretches of a file are decoded.

The packets of the video stream are listed first. Where their time stamps can be trusted, frame n is
the packet with the n-th smallest one; decoding begins at the key frame before it, and frames that
nothing refers to are skipped. AVI with B-frames has no such stamps (UCF101 and HMDB51 pack two
frames into a packet): there decoding begins at the first frame, and frames are counted.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from zsvideo.data.decoding.base import VideoReader
from zsvideo.data.decoding.boxes import TOLD, ends_early
from zsvideo.data.decoding.conversion import upright
from zsvideo.data.decoding.counting import PLACEHOLDER, counted_frames, display_order
from zsvideo.data.decoding.faults import DAMAGED, ShorterVideoError, UnreadableVideoError
from zsvideo.data.decoding.index import VideoIndex
from zsvideo.data.transforms import View

BUFFER = 2 << 20  # bytes: the packets of larger files are read again after a seek
SURE = {".mp4", ".m4v", ".mov", ".mkv", ".webm"}  # containers that tell what streams are
STILL = ("_pipe", "image2")  # formats of single pictures
BRANDS = {"avif", "heic", "heix", "mif1"}  # of pictures in the container of MP4
QUICK = {"skip_frame": "all", "analyzeduration": "1"}  # FFmpeg else decodes frames to open a file


class UnsureError(Exception):
    """A file opened without a look into its streams did not give what was wanted."""


class Entry(NamedTuple):
    """What is kept of a packet that will be read again; the names are those of a packet."""

    pts: int | None
    is_keyframe: bool
    is_discard: bool
    size: int


class PyAVReader(VideoReader):
    """Exact frames with PyAV.

    With the index of the file its packets are not listed. Files of `SURE` containers, and those
    with an index, are opened without a look into their streams. Where a wanted frame is then
    missing, the file is opened again with one, and its packets are listed.

    Attributes:
        index: of the packets of the video stream.
        order: which of them each frame is, in the order of showing; None where frames are counted.
        packets: in the order of the file; None where they are read again after a seek.
    """

    def __init__(
        self,
        path: str | Path,
        window: tuple[float, float] | None = None,
        length: int | None = None,
        stored: VideoIndex | None = None,
    ) -> None:
        """Name what is read, see `zsvideo.data.decoding.reading.open_video`."""
        super().__init__(path, window, length)
        self.stored = stored

    def open(self) -> None:
        """Find the packets; raises UnreadableVideoError: no video stream, no frames, cut short."""
        try:
            if self.stored is not None and self.stored.size == self.path.stat().st_size:
                self.quick = self.stored.shown is None
                self.open_file()
                return self.use(self.stored, None)
            if self.path.suffix.lower() in SURE:
                return self.list_packets(quick=True)
        except (UnsureError, av.FFmpegError):
            pass
        self.list_packets(quick=False)

    def open_file(self) -> None:
        """Open the file."""
        self.container, self.stream = open_stream(self.path, self.quick)
        self.files.enter_context(self.container)

    def list_packets(self, quick: bool) -> None:
        """Open the file and list its packets; raises UnsureError where `quick` does not suffice."""
        self.quick = quick
        self.open_file()
        is_avi, size = self.container.format.name == "avi", self.path.stat().st_size
        in_memory = is_avi or size <= BUFFER
        packets: list[Any] = [
            p if in_memory else Entry(p.pts, p.is_keyframe, p.is_discard, p.size)
            for p in whole_packets(self.container, self.stream)
            if p.size
        ]
        if len(packets) < len(self.stream.index_entries) - 1 and not is_avi:
            raise UnreadableVideoError("truncated")
        stamps = [packet.pts for packet in packets]
        shown = None
        if not is_timed(self.stream, packets, stamps, is_avi):
            if quick:
                raise UnsureError
            shown, stamps = display_order(self.stream, packets), []
        keys = [i for i, packet in enumerate(packets) if packet.is_keyframe]
        hidden = [i for i, packet in enumerate(packets) if packet.is_discard]
        index = VideoIndex(size, np.array(stamps, np.int64), keys, hidden, shown)
        self.use(index, packets if in_memory else None)

    def use(self, index: VideoIndex, packets: list[Any] | None) -> None:
        """Take over what is known of the packets; raises UnreadableVideoError: no frames."""
        self.index, self.packets = index, packets
        self.order: np.ndarray | None = None
        if index.shown is None:
            self.order = index.order
            seconds = index.stamps[self.order] - index.stamps[self.order[:1]]
            self.span(seconds * float(self.stream.time_base or 0))
        else:
            rate = float(self.stream.average_rate or 25)
            self.span(np.arange(self.length or len(index.shown)) / rate)

    def decode(self, indices: np.ndarray, view: View | None) -> Iterator[np.ndarray]:
        """Decode the stretches of the file that hold the frames."""
        done = 0
        if self.quick:
            try:
                for pixels in upright(self.frames(indices), view):
                    yield pixels
                    done += 1
                return
            except (UnsureError, av.FFmpegError):
                length = len(self.seconds)
                self.list_packets(quick=False)
                if len(self.seconds) != length:
                    raise ShorterVideoError(len(self.seconds)) from None
        yield from upright(self.frames(indices[done:]), view)

    def frames(self, indices: np.ndarray) -> Iterator[Any]:
        """Yield frames as decoded."""
        if self.order is not None:
            numbers = self.order[indices].tolist()
            own = self.container, self.stream, self.packets, self.index
            return timed_frames(*own, numbers, self.quick)
        if self.packets is None:
            packets = whole_packets(self.container, self.stream)
            self.packets = [packet for packet in packets if packet.size]
        return counted_frames(self.stream, self.packets, self.index.shown or (), indices.tolist())


def open_stream(path: str | Path, quick: bool = False) -> tuple[Any, av.VideoStream]:
    """Open a video file, to be decoded by one thread; raises UnreadableVideoError.

    Args:
        path: the file.
        quick: without a look into the streams.
    """
    container = opened(path, QUICK if quick else {})
    try:
        stream = video_stream(container)
    except UnreadableVideoError:
        container.close()
        raise
    stream.codec_context.thread_count = 1
    return container, stream


def opened(path: str | Path, options: dict[str, str] | None = None) -> Any:
    """Open a file with FFmpeg, which else takes `a:b.mp4` for a protocol."""
    return av.open(f"file:{path}", metadata_errors="ignore", options=options or {})


def video_stream(container: Any) -> av.VideoStream:
    """Choose the video of a file; raises UnreadableVideoError: it is a picture, or has none.

    The cover of a sound file is no video.
    """
    if container.format.name.endswith(STILL) or container.metadata.get("major_brand") in BRANDS:
        raise UnreadableVideoError("a still picture, no video")
    covers = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & covers]
    best = container.streams.best("video")
    stream = best if best in streams else next(iter(streams), None)
    if not isinstance(stream, av.VideoStream):
        raise UnreadableVideoError("no video stream")
    return stream


def whole_packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the packets of a stream; of a file that is cut not the last, which may be a part."""
    told = container.format.name in TOLD
    cut = told and ends_early(container.name.removeprefix("file:"))
    last = None
    for packet in container.demux(stream):
        if not (cut and packet.size):  # an empty one makes a decoder give what it has
            yield packet
            continue
        if last is not None:
            yield last
        last = packet


class WholeVideo(NamedTuple):
    """A video from end to end.

    Attributes:
        rate: frames a second, on average.
        time_base: seconds of one unit of time.
        frames: time of showing, from 0 and rising, and frame (H, W, 3) uint8 RGB, upright.
    """

    rate: Fraction
    time_base: Fraction
    frames: Iterator[tuple[int, np.ndarray]]


def all_frames(path: str | Path) -> WholeVideo:
    """Decode a video from end to end.

    Raises:
        UnreadableVideoError: no video stream; while decoding: damaged or cut short.
    """
    container, stream = open_stream(path)
    is_avi = container.format.name == "avi"
    rate = stream.average_rate or Fraction(25)
    counted = is_avi and stream.codec_context.has_b_frames
    time_base = 1 / rate if counted else stream.time_base or 1 / rate
    step = max(round(1 / rate / time_base), 1)

    last = -step  # time of the frame that is being converted

    def decoded() -> Iterator[Any]:
        nonlocal last
        first, packets = None, 0
        for packet in whole_packets(container, stream):
            packets += bool(packet.size)
            for frame in packet.decode():
                time = last + step
                if not counted and frame.pts is not None:
                    first = frame.pts if first is None else first
                    time = frame.pts - first if frame.pts - first > last else time
                last = max(time, 0)
                yield frame
        if packets < len(stream.index_entries) - 1 and not is_avi:
            raise UnreadableVideoError("truncated")

    def timed() -> Iterator[tuple[int, np.ndarray]]:
        with container:
            for pixels in upright(decoded()):
                yield last, pixels

    return WholeVideo(rate, time_base, timed())


def claimed_frames(path: str | Path) -> int:
    """Return how many frames a video says it has, without decoding it; 0 if it says nothing.

    As OpenCV does: what the container says, or where it says no number what its duration makes.
    """
    with opened(path) as container:
        try:
            stream = video_stream(container)
        except UnreadableVideoError:
            return 0
        seconds = (container.duration or 0) / av.time_base
        if not seconds and stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        lasting = int(seconds * float(stream.guessed_rate or stream.average_rate or 25) + 0.5)
        return stream.frames or lasting or len(stream.index_entries)


def is_timed(stream: Any, packets: Sequence[Any], stamps: Sequence[int | None], avi: bool) -> bool:
    """Return whether the time stamps say which frame a packet is."""
    if not packets or None in stamps or len(set(stamps)) < len(stamps):
        return False
    packed = avi and any(packet.size < PLACEHOLDER for packet in packets)
    return packets[0].is_keyframe and not (avi and (stream.codec_context.has_b_frames or packed))


def timed_frames(
    container: Any,
    stream: Any,
    packets: Sequence[Any] | None,
    index: VideoIndex,
    numbers: Sequence[int],
    quick: bool,
) -> Iterator[Any]:
    """Decode some packets, by their numbers in the file, sorted by time of showing.

    Args:
        container: the open file.
        stream: of the video.
        packets: of the stream; None where they are read from the file.
        index: of the packets.
        numbers: of those that are wanted.
        quick: the file was opened without a look into its streams.

    Raises:
        UnreadableVideoError: a frame is missing at the end.
        UnsureError: with `quick`, a frame is missing, or not in its order: the decoder may not know
            how long it has to wait for frames that are shown before those it has.
    """
    context, keys, stamps = stream.codec_context, index.keys, index.stamps

    def key_before(i: int) -> int:
        # A frame that is shown before a key frame, though it is decoded after, needs an older one.
        last = bisect_right(keys, i) - 1
        while last > 0 and stamps[keys[last]] > stamps[i]:
            last -= 1
        return keys[max(last, 0)]

    at = None  # number of the next packet, None where decoding has to start anew
    for key, group in groupby(numbers, key_before):
        pending = deque(group)
        own, awaited = set(pending), set(stamps[[*pending]].tolist())
        decoded: dict[int, Any] = {}
        if at is None or at < key:
            context.flush_buffers()
            at, feed = key, packets_from(container, stream, packets, index, key)
        while pending:
            packet = next(feed, None)
            context.skip_frame = "DEFAULT" if packet is None or at in own else "NONREF"
            for frame in context.decode(packet):
                if frame.pts in awaited:
                    decoded[frame.pts] = frame
                while pending and (pts := int(stamps[pending[0]])) in decoded:
                    yield decoded.pop(pts)
                    pending.popleft()
                if quick and pending and frame.pts is not None and frame.pts > pts:
                    raise UnsureError
            at += 1
            if packet is None:
                break
        if packet is None:
            at = None
        if pending:
            raise UnsureError if quick else UnreadableVideoError(DAMAGED)


def packets_from(
    container: Any, stream: Any, packets: Sequence[Any] | None, index: VideoIndex, start: int
) -> Iterator[Any]:
    """Yield the packets from one on, read again from the file where they are not in memory."""
    if packets is not None:
        yield from packets[start:]
        return
    stamp = int(index.stamps[start])
    container.seek(stamp, stream=stream)
    due = False
    for packet in whole_packets(container, stream):
        due |= packet.pts == stamp
        if due and packet.size:
            yield packet
