"""Files that end before they say they do: AVI, fragmented MP4 and Matroska, from their boxes.

Decoders take what is there and say nothing. An ordinary MP4 has an index, which readers compare.
"""

import os

EBML, SEGMENT, CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"


def is_cut(handle: int, size: int) -> bool:
    """Tell whether a file ends within a part of it.

    Args:
        handle: of the file.
        size: of the file, in bytes.
    """
    head = os.pread(handle, 12, 0)
    if head[:4] == b"RIFF":
        return size < int.from_bytes(head[4:8], "little") + 8
    if head[4:8] in (b"ftyp", b"styp"):
        return fragments_are_cut(handle, size)
    return head[:4] == EBML and matroska_is_cut(handle, size)


def fragments_are_cut(handle: int, size: int) -> bool:
    """Tell whether an MP4 of fragments (ISO 14496-12, 8.8) ends within one."""
    at, fragmented, kind = 0, False, b""
    while at + 8 <= size:
        box = os.pread(handle, 16, at)
        length, kind = int.from_bytes(box[:4]), box[4:8]
        length = int.from_bytes(box[8:]) if length == 1 else length
        fragmented |= kind == b"moof"
        if length < 8:  # the rest of the file, or what no writer writes
            return False
        at += length
    return fragmented and at != size and kind in (b"moof", b"mdat")


def matroska_is_cut(handle: int, size: int) -> bool:
    """Tell whether Matroska or WebM ends within an element."""
    at = 0
    while at < size:
        name, length, begin = element(handle, at)
        if not name:
            return False
        if length is None and name not in (SEGMENT, CLUSTER):
            return False
        at = begin + (length or 0)  # one of unknown size is looked into
        if at > size:
            return True
    return False


def element(handle: int, at: int) -> tuple[bytes, int | None, int]:
    """Read the head of an element of Matroska: name, size (None if unknown), where it begins."""
    head = os.pread(handle, 12, at)
    if not head or not head[0]:
        return b"", None, at
    width = 9 - head[0].bit_length()
    if width > 4 or len(head) <= width or not head[width]:
        return b"", None, at
    more = 9 - head[width].bit_length()
    value = int.from_bytes(head[width : width + more]) & ((1 << 7 * more) - 1)
    unknown = value == (1 << 7 * more) - 1
    return head[:width], None if unknown else value, at + width + more
