"""Exact frames by number with PyAV: only the needed stretches of a file are decoded.

The packets of the video stream are listed first. Where their time stamps can be trusted, frame n is
the packet with the n-th smallest one; decoding begins at the key frame before it, and frames that
nothing refers to are skipped. AVI with B-frames has no such stamps (UCF101 and HMDB51 pack two
frames into a packet): there decoding begins at the first frame, and frames are counted.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from src.data.decoding.faults import DAMAGED, ShorterVideo, UnreadableVideo, window_frames

HELD = 64 << 20  # bytes: the packets of larger files are read again after a seek
PLACEHOLDER = 9  # bytes: smaller MPEG-4 packets hold no frame of their own
FRAME_CODE = re.compile(rb"\x00\x00\x01\xb6(.)", re.DOTALL)  # begins a frame in MPEG-4


class Entry(NamedTuple):
    """What is kept of a packet that will be read again; the names are those of a packet."""

    pts: int | None
    is_keyframe: bool
    is_discard: bool
    size: int


def pyav_frames(
    path: str | Path,
    choose: Callable[[int], np.ndarray],
    window: tuple[float, float] | None,
    length: int | None,
) -> Iterator[np.ndarray]:
    """Decode the chosen frames of a video; see `src.data.decoding.reading.read_frames`.

    Yields:
        (H, W, 3) uint8 RGB, upright.

    Raises:
        UnreadableVideo: no video stream, no frames, cut short or damaged.
        ShorterVideo: a wanted frame lies beyond the end.
    """
    with av.open(str(path), metadata_errors="ignore", timeout=30.0) as container:
        stream = container.streams.best("video")
        if not isinstance(stream, av.VideoStream):
            raise UnreadableVideo("no video stream")
        stream.codec_context.thread_count = 1
        is_avi = container.format.name == "avi"
        held = is_avi or Path(path).stat().st_size <= HELD
        packets: list[Any] = [
            p if held else Entry(p.pts, p.is_keyframe, p.is_discard, p.size)
            for p in container.demux(stream)
            if p.size
        ]
        if len(packets) < len(stream.index_entries) - 1 and not is_avi:
            raise UnreadableVideo("truncated")
        stamps = [packet.pts for packet in packets]
        if is_timed(stream, packets, stamps, is_avi):
            shown_ones = (i for i, packet in enumerate(packets) if not packet.is_discard)
            order = sorted(shown_ones, key=stamps.__getitem__)  # an edit list hides the others
            seconds = np.array([stamps[i] - stamps[order[0]] for i in order])
            first, count = window_frames(window, seconds * float(stream.time_base or 0))
            wanted = [order[first + n] for n in checked(choose, count)]
            frames = timed_frames(container, stream, packets, wanted)
        else:
            shown = display_order(stream, packets)
            seconds = np.arange(length or len(shown)) / float(stream.average_rate or 25)
            first, count = window_frames(window, seconds)
            numbers = (first + checked(choose, count)).tolist()
            frames = counted_frames(stream, packets, shown, numbers)
        yield from upright(frames)


class Whole(NamedTuple):
    """A video from end to end.

    Attributes:
        rate: frames a second, on average.
        time_base: seconds of one unit of time.
        frames: time of showing, from 0 and rising, and frame (H, W, 3) uint8 RGB, upright.
    """

    rate: Fraction
    time_base: Fraction
    frames: Iterator[tuple[int, np.ndarray]]


def all_frames(path: str | Path) -> Whole:
    """Decode a video from end to end.

    Raises:
        UnreadableVideo: no video stream; while decoding: damaged or cut short.
    """
    container = av.open(str(path), metadata_errors="ignore", timeout=30.0)
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream):
        raise UnreadableVideo("no video stream")
    stream.codec_context.thread_count = 1
    is_avi = container.format.name == "avi"
    rate = stream.average_rate or Fraction(25)
    counted = is_avi and stream.codec_context.has_b_frames
    time_base = 1 / rate if counted else stream.time_base or 1 / rate
    step = max(round(1 / rate / time_base), 1)

    def decoded() -> Iterator[tuple[int, np.ndarray]]:
        first, last = None, -step
        with container:
            packets = 0
            for packet in container.demux(stream):
                packets += bool(packet.size)
                for frame in packet.decode():
                    time = last + step
                    if not counted and frame.pts is not None:
                        first = frame.pts if first is None else first
                        time = frame.pts - first if frame.pts - first > last else time
                    last = max(time, 0)
                    yield from ((last, pixels) for pixels in upright([frame]))
            if packets < len(stream.index_entries) - 1 and not is_avi:
                raise UnreadableVideo("truncated")

    return Whole(rate, time_base, decoded())


def claimed_frames(path: str | Path) -> int:
    """Tell how many frames a video says it has, without decoding it; 0 if it says nothing."""
    with av.open(str(path), metadata_errors="ignore") as container:
        stream = next(iter(container.streams.video), None)
        if stream is None:
            return 0
        lasting = float(stream.average_rate or 25) * (container.duration or 0) / av.time_base
        return max(stream.frames, len(stream.index_entries), round(lasting))


def upright(frames: Iterable[Any]) -> Iterator[np.ndarray]:
    """Convert frames to (H, W, 3) uint8 RGB, turned as the file says."""
    convert = VideoReformatter()
    for frame in frames:
        if frame.is_corrupt:
            raise UnreadableVideo(DAMAGED)
        pixels = convert.reformat(frame, format="rgb24", threads=1).to_ndarray()
        turns = frame.rotation // 90
        yield np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def checked(choose: Callable[[int], np.ndarray], count: int) -> np.ndarray:
    """Choose among `count` frames; raises UnreadableVideo if there are none."""
    if count <= 0:
        raise UnreadableVideo("no frames")
    return choose(count)


def is_timed(stream: Any, packets: Sequence[Any], stamps: Sequence[int | None], avi: bool) -> bool:
    """Tell whether the time stamps say which frame a packet is."""
    if not packets or None in stamps or len(set(stamps)) < len(stamps):
        return False
    packed = avi and any(packet.size < PLACEHOLDER for packet in packets)
    return packets[0].is_keyframe and not (avi and (stream.codec_context.has_b_frames or packed))


def timed_frames(
    container: Any, stream: Any, packets: Sequence[Any], wanted: Sequence[int]
) -> Iterator[Any]:
    """Decode the wanted packets (by their place in `packets`, sorted by time of showing)."""
    context = stream.codec_context
    keys = np.array([i for i, packet in enumerate(packets) if packet.is_keyframe])
    stamps = np.array([packets[i].pts for i in keys])

    def key_before(i: int) -> int:
        # A frame that is shown before a key frame, though it is decoded after, needs an older one.
        usable = keys[(keys <= i) & (stamps <= packets[i].pts)]
        return int(usable[-1]) if len(usable) else 0

    at = None  # place of the next packet, None where decoding has to start anew
    for key, group in groupby(wanted, key_before):
        pending = {packets[i].pts: i for i in group}
        places = set(pending.values())
        if at is None or at < key:
            context.flush_buffers()
            at, feed = key, packets_from(container, stream, packets, key)
        while pending:
            packet = next(feed, None)
            context.skip_frame = "DEFAULT" if packet is None or at in places else "NONREF"
            for frame in context.decode(packet):
                if pending.pop(frame.pts, None) is not None:
                    yield frame
            at += 1
            if packet is None:
                break
        if packet is None:
            at = None
        if pending:
            raise UnreadableVideo(DAMAGED)


def packets_from(container: Any, stream: Any, packets: Sequence[Any], start: int) -> Iterator[Any]:
    """Give the packets from a place on, read again from the file where they are not held."""
    if not isinstance(packets[start], Entry):
        yield from packets[start:]
        return
    container.seek(packets[start].pts, stream=stream)
    found = False
    for packet in container.demux(stream):
        found |= packet.pts == packets[start].pts
        if found and packet.size:
            yield packet


class Shown(NamedTuple):
    """A frame of a counted file: its type (1 I, 2 P, 3 B, 4 S; 0 unknown), and by which packet."""

    type: int
    packet: int


def display_order(stream: Any, packets: Sequence[Any]) -> list[Shown]:
    """List the frames of a counted file in the order of showing, without decoding them.

    A packet of MPEG-4 may hold a frame and the B-frame after it, which is decoded with the next
    packet, a placeholder; so one at the end is lost. I- and P-frames are shown when the next of
    them is decoded, B-frames at once.
    """
    if stream.codec_context.name != "mpeg4":
        return [Shown(0, i) for i in range(len(packets))]
    shown: list[Shown] = []
    held: Shown | None = None
    packed: list[Shown] = []
    for place, packet in enumerate(packets):
        types = [1 + (code[0] >> 6) for code in FRAME_CODE.findall(bytes(packet))]
        decoded = packed + (
            [] if packet.size < PLACEHOLDER else [Shown(t, place) for t in types[:1]]
        )
        packed = [Shown(kind, place + 1) for kind in types[1:]]
        for frame in decoded:
            if frame.type == 3:
                shown.append(frame)
            else:
                shown += [held] if held else []
                held = frame
    return shown + ([held] if held else [])


def counted_frames(
    stream: Any, packets: Sequence[Any], order: Sequence[Shown], wanted: Sequence[int]
) -> Iterator[Any]:
    """Decode from the first frame on and give those with the wanted, sorted numbers.

    B-frames before the first wanted frame are skipped, as nothing refers to them.
    """
    known = all(frame.type for frame in order)
    start = min((f.packet for f in order[wanted[0] :]), default=0) if known else 0
    numbers = [n for n, frame in enumerate(order) if frame.type != 3 or frame.packet >= start]
    context, at, targets = stream.codec_context, 0, set(wanted)
    for place, packet in enumerate([*packets, None]):
        context.skip_frame = "NONREF" if place < start else "DEFAULT"
        for frame in context.decode(packet):
            number = numbers[at] if at < len(numbers) else len(order) + at - len(numbers)
            at += 1
            if number in targets:
                yield frame
                targets.discard(number)
        if not targets:
            return
    raise ShorterVideo(len(order) - len(numbers) + at)
