"""Frames of AVI with B-frames, which has no time stamps to trust: they are counted."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from zsvideo.data.decoding.faults import ShorterVideoError
from zsvideo.data.decoding.index import Shown

PLACEHOLDER = 9  # bytes: smaller MPEG-4 packets hold no frame of their own
FRAME_CODE = re.compile(rb"\x00\x00\x01\xb6(.)", re.DOTALL)  # begins a frame in MPEG-4


def display_order(stream: Any, packets: Sequence[Any]) -> list[Shown]:
    """List the frames of a counted file in the order of showing, without decoding them.

    A packet of MPEG-4 may hold a frame and the B-frame after it, which is decoded with the next
    packet, a placeholder; so one at the end is lost. I- and P-frames are shown when the next of
    them is decoded, B-frames at once.
    """
    if stream.codec_context.name != "mpeg4":
        return [Shown(0, i) for i in range(len(packets))]
    shown: list[Shown] = []
    reference: Shown | None = None
    packed: list[Shown] = []
    for number, packet in enumerate(packets):
        types = [1 + (code[0] >> 6) for code in FRAME_CODE.findall(packet)]
        decoded = packed + (
            [] if packet.size < PLACEHOLDER else [Shown(t, number) for t in types[:1]]
        )
        packed = [Shown(kind, number + 1) for kind in types[1:]]
        for frame in decoded:
            if frame.type == 3:
                shown.append(frame)
            else:
                shown += [reference] if reference else []
                reference = frame
    return shown + ([reference] if reference else [])


def counted_frames(
    stream: Any, packets: Iterable[Any], order: Sequence[Shown], indices: Sequence[int]
) -> Iterator[Any]:
    """Decode from the first frame on and yield those of some rising indices.

    B-frames before the first of these are skipped, as nothing refers to them.
    """
    known = all(frame.type for frame in order)
    start = min((f.packet for f in order[indices[0] :]), default=0) if known else 0
    decodable = [n for n, frame in enumerate(order) if frame.type != 3 or frame.packet >= start]
    context, at, targets = stream.codec_context, 0, set(indices)
    context.flush_buffers()  # of an earlier reading
    for number, packet in enumerate(chain(packets, [None])):
        context.skip_frame = "NONREF" if number < start else "DEFAULT"
        for frame in context.decode(packet):
            beyond = at - len(decodable)
            index = decodable[at] if beyond < 0 else len(order) + beyond
            at += 1
            if index in targets:
                yield frame
                targets.discard(index)
        if not targets:
            return
    raise ShorterVideoError(len(order) + at - len(decodable))
