"""Find videos that show the same, whatever their size, codec, rate and trim (Sec. 3.3).

Content is compared by a perceptual hash ten times a second (pHash, 64 bits), so that re-encoding,
resizing, another frame rate and a trim make no difference; pairs found so are decoded again and
compared as small pictures. Two shots of one scene by a fixed camera count as the same. A mirrored,
cropped, recoloured or much brighter copy is not found.

Shapes: T sampled frames.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, combinations

import av
import cv2
import imagehash
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from zsvideo.data.decoding.conversion import orientation, oriented
from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.packs import SUFFIX
from zsvideo.data.decoding.pyav_reader import open_stream
from zsvideo.data.decoding.reading import open_video

STEP = 0.1  # seconds between sampled frames
NEAR = 10  # of 64 bits that may differ between frames of one video
FLAT = 4.0  # standard deviation of grey levels below which a frame tells nothing
HINTS = 2  # near frames that make two videos a pair to look at
ALIKE, LEVELS = 0.9, 8.0  # correlation and mean difference of small pictures of one moment
LEAST, SHARE = 3, 0.3  # moments in the same order, and their share of the shorter video
BANDS = (11, 11, 11, 11, 10, 10)  # bits; frames are compared if two bands are equal
CHUNK = 50_000  # frames compared at a time


def fingerprint(path: str) -> np.ndarray | str:
    """Hash the sampled frames of a video, without flat ones (T,) uint64; or say why not."""
    hashes = []
    try:
        for picture in sampled(path):
            hashes.append(int(str(imagehash.phash(picture)), 16))
    except UnreadableVideoError as error:
        return str(error)
    except (av.FFmpegError, OSError, ValueError) as error:
        if not hashes:
            return str(error) or type(error).__name__
    return np.array(hashes, np.uint64)


def sampled(path: str) -> Iterator[Image.Image]:
    """Take a frame each `STEP` seconds, upright, as pictures of 64 x 64; leave out flat ones."""
    for small in frames_of_pack(path) if path.endswith(SUFFIX) else frames_of_video(path):
        picture = Image.fromarray(small)
        if np.asarray(picture.convert("L")).std() >= FLAT:
            yield picture


def frames_of_video(path: str) -> Iterator[np.ndarray]:
    """Decode the sampled frames of a video file, as (64, 64, 3) uint8."""
    container, stream = open_stream(path)
    convert = VideoReformatter()  # threads of its own would not outlive a fork
    with container:
        due = -np.inf
        for number, frame in enumerate(container.decode(stream)):
            time = number * STEP if frame.time is None else frame.time
            if time >= due:
                due = time + STEP - 1e-3
                small = convert.reformat(frame, 64, 64, "rgb24", interpolation="AREA", threads=1)
                yield oriented(small.to_ndarray(), orientation(frame))


def frames_of_pack(path: str) -> Iterator[np.ndarray]:
    """Decode the sampled frames of a prepared video, as (64, 64, 3) uint8."""
    with open_video(path, window=(0, np.inf)) as video:
        due = -np.inf
        for number, time in enumerate(video.seconds):
            if time >= due:
                due = time + STEP - 1e-3
                (frame,) = video.get(np.array([number]))
                yield cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA)


def same_content(
    ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> Iterator[tuple[tuple[str, str], float]]:
    """Pair the videos with the same content.

    Yields:
        The paths, and the share of the shorter video that is found in the other one, in order.
    """
    names = list(ours), list(theirs)
    for a, b in likely_pairs(list(ours.values()), list(theirs.values())):
        short, long = sorted((small_pictures(names[0][a]), small_pictures(names[1][b])), key=len)
        moments = common(short, long)
        if moments >= LEAST and moments >= SHARE * len(short):
            yield (names[0][a], names[1][b]), moments / len(short)


def likely_pairs(
    ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]
) -> Iterator[tuple[int, int]]:
    """Find pairs of videos (numbers) in which at least `HINTS` frames have a near one."""
    if not ours or not theirs:
        return
    sides = [[np.unique(h, return_counts=True) for h in side] for side in (ours, theirs)]
    left, right = (np.concatenate([h for h, _ in side]) for side in sides)
    owner = [np.repeat(np.arange(len(side)), [len(h) for h, _ in side]) for side in sides]
    times = np.concatenate([counts for _, counts in sides[0]])
    hits: dict[tuple[int, int], set[int]] = defaultdict(set)
    earlier: list[np.uint64] = []
    for mask in map(np.uint64, masks()):
        wanted, order = np.argsort(left & mask), np.argsort(right & mask)
        keys = (right & mask)[order]
        for start in range(0, len(left), CHUNK):
            part = wanted[start : start + CHUNK]
            first = np.searchsorted(keys, left[part] & mask, "left")
            counts = np.searchsorted(keys, left[part] & mask, "right") - first
            mine = np.repeat(part, counts)
            offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            other = order[np.repeat(first, counts) + offset]
            bits = left[mine] ^ right[other]
            near = np.flatnonzero(np.bitwise_count(bits) <= NEAR)
            for known in earlier:
                near = near[bits[near] & known != 0]
            for i, j in zip(mine[near].tolist(), other[near].tolist(), strict=True):
                hits[(int(owner[0][i]), int(owner[1][j]))].add(i)
        earlier.append(mask)
    yield from sorted(pair for pair, frames in hits.items() if times[list(frames)].sum() >= HINTS)


def masks() -> Iterator[int]:
    """Give the bits of each two bands."""
    ends = accumulate(BANDS)
    bands = [((1 << width) - 1) << (end - width) for width, end in zip(BANDS, ends, strict=True)]
    yield from (one | other for one, other in combinations(bands, 2))


def common(short: np.ndarray, long: np.ndarray) -> int:
    """Count the moments of one video that occur in another, in the same order.

    Args:
        short: small pictures (T, 768) float32.
        long: those of the other video.
    """
    units = []
    for pictures in (short, long):
        centred = pictures - pictures.mean(axis=1, keepdims=True)
        units.append(centred / np.linalg.norm(centred, axis=1, keepdims=True))
    best = np.zeros(len(long) + 1, int)  # moments found among the first n of the other video
    for picture, unit in zip(short, units[0], strict=True):
        same = (units[1] @ unit >= ALIKE) & (np.abs(long - picture).mean(axis=1) <= LEVELS)
        best[1:] = np.maximum(best[1:], best[:-1] + same)
        best = np.maximum.accumulate(best)
    return int(best[-1])


@lru_cache(maxsize=64)
def small_pictures(path: str) -> np.ndarray:
    """Decode the sampled frames that are not flat, 16 x 16 x 3, as rows (T, 768) float32."""
    pictures = []
    try:
        for picture in sampled(path):
            small = picture.resize((16, 16), Image.Resampling.BOX)
            pictures.append(np.asarray(small, np.float32).ravel())
    except (av.FFmpegError, OSError, ValueError):
        pass  # a damaged end; `fingerprint` stopped there too
    return np.reshape(np.array(pictures, np.float32), (-1, 768))
