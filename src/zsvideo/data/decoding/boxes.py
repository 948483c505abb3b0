"""Files that end before they say they do, from their boxes, tags and pages.

Decoders take what is there and say nothing. An ordinary MP4 has an index, which readers compare.
"""

import os
from pathlib import Path

EBML, SEGMENT, CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
TOLD = ("flv", "ogg", "mpegts", "asf")  # FFmpeg's names of what `ends_early` knows
MOST = 1 << 16  # bytes of a page of Ogg, and of the head of ASF


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


def ends_early(path: str | Path) -> bool:
    """Tell whether FLV, Ogg, an MPEG transport stream or ASF ends within a part of it.

    All that is there decodes, so such a file is used; that it was cut between two parts of a
    transport stream, or a program stream or a raw stream anywhere, cannot be told.
    """
    with Path(path).open("rb", buffering=0) as opened:
        handle, size = opened.fileno(), os.fstat(opened.fileno()).st_size
        head = os.pread(handle, 3 * 204, 0)
        if head[:3] == b"FLV":
            return tag_is_cut(handle, size)
        if head[:4] == b"OggS":
            return not ends_by_a_last_page(os.pread(handle, MOST, max(size - MOST, 0)))
        if head[:16] == ASF:
            return size < size_of_asf(os.pread(handle, MOST, 0))
    for sync, packet in ((0, 188), (4, 192), (0, 204)):
        if size > 3 * packet and set(head[sync : sync + 3 * packet : packet]) == {0x47}:
            return size % packet > 0
    return False


def tag_is_cut(handle: int, size: int) -> bool:
    """Tell whether the last four bytes of FLV are not the size of a tag before them.

    Some writers leave them empty, which says nothing.
    """
    length = int.from_bytes(os.pread(handle, 4, max(size - 4, 0)))
    tag = os.pread(handle, 4, size - 4 - length) if 11 <= length <= size - 4 else b""
    return length > 0 and (len(tag) < 4 or int.from_bytes(tag[1:]) != length - 11)


def ends_by_a_last_page(tail: bytes) -> bool:
    """Tell whether the last page of Ogg in the tail of a file is whole, and marked as the last."""
    at = tail.rfind(b"OggS")
    page = tail[at:] if at >= 0 else b""
    if len(page) < 27:
        return False
    sizes = page[27 : 27 + page[26]]
    return bool(page[5] & 4) and len(page) >= 27 + page[26] + sum(sizes)


def size_of_asf(head: bytes) -> int:
    """Read the size of the file from the head of ASF; 0 where it is not known, as of a stream."""
    at = head.find(FILE_PROPERTIES)
    about = head[at : at + 92]
    if at < 0 or len(about) < 92 or about[88] & 1:
        return 0
    return int.from_bytes(about[40:48], "little")
