"""Made-up videos of every coding, and the frames that they must give."""

from fractions import Fraction

import av
import numpy as np

from zsvideo.data.decoding.reading import index_of, open_video

CODINGS = {
    "key-12.mp4": ("libx264", {"g": "12"}),
    "key-250.mp4": ("libx264", {"g": "250"}),
    "pyramid.mkv": ("libx264", {"g": "30", "x264-params": "bframes=5:b-pyramid=normal"}),
    "open-gop.mp4": ("libx264", {"x264-params": "open-gop=1:keyint=20:min-keyint=20:bframes=3"}),
    "no-b.mp4": ("libx264", {"g": "20", "bf": "0"}),
    "hevc.mp4": ("libx265", {"x265-params": "log-level=none:keyint=25:bframes=3"}),
    "vp9.webm": ("libvpx-vp9", {"g": "20"}),
    "mpeg4.avi": ("mpeg4", {"g": "12"}),
    "mpeg4-b.avi": ("mpeg4", {"g": "250", "bf": "2"}),
    "mpeg4-b-key.avi": ("mpeg4", {"g": "20", "bf": "2"}),
    "mpeg4-b.mp4": ("mpeg4", {"g": "20", "bf": "2"}),
    "h264-b.avi": ("libx264", {"g": "20"}),
    "mjpeg.avi": ("mjpeg", {}),
    "mpeg2.mpg": ("mpeg2video", {"g": "15", "bf": "2"}),
    "ts.mkv": ("mpeg2video", {"g": "15", "bf": "2"}),
}


def write_video(file, frames, codec="mpeg4", fps=25, options=None):
    """Encode (T, H, W, 3) uint8 frames."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def grey_video(file, length, size=(48, 64), **how):
    """Write a video whose frame i has the grey value 5 i + 10."""
    values = (np.arange(length) * 5 + 10).astype(np.uint8)
    write_video(
        file, np.broadcast_to(values[:, None, None, None], (length, *size, 3)).copy(), **how
    )


def smooth(count, size=(64, 80)):
    """Give frames that codecs keep well, each with a grey value and a place of its own."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.stack(
        [
            np.repeat(
                (60 + i + 50 * np.sin((rows + 2 * i) / 9) + columns / 3)[..., None], 3, axis=2
            )
            for i in range(count)
        ]
    ).astype(np.uint8)


def variable_rate(file, times, frames):
    """Write frames that are shown at the given times in milliseconds."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=100, options={"g": "20", "crf": "10"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for time, pixels in zip(times, frames, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = int(time), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def moving(count, size=(48, 64), seed=0):
    """Give frames that all differ, with texture that moves."""
    rng = np.random.default_rng(seed)
    plane = rng.integers(0, 255, (size[0] + 40, size[1] + 40, 3), dtype=np.uint8)
    plane = np.repeat(np.repeat(plane[::4, ::4], 4, 0), 4, 1)
    return np.stack(
        [plane[i % 37 : i % 37 + size[0], i % 23 : i % 23 + size[1]] for i in range(count)]
    )


def sequential(file):
    with av.open(str(file), metadata_errors="ignore") as container:
        stream = container.streams.best("video")
        return [
            np.rot90(f.to_ndarray(format="rgb24"), f.rotation // 90)
            for f in container.decode(stream)
        ]


def frames_of(file, indices, view=None, **how):
    """Read frames of a file by index; `indices` may depend on their number."""
    with open_video(file, **how) as video:
        return video.get(np.asarray(indices(len(video)) if callable(indices) else indices), view)


def length_of(file, **how):
    """Count the frames of a file, as its reader does."""
    with open_video(file, **how) as video:
        return len(video)


def check(file, decoder="pyav", tolerance=0):
    """Compare all frames, and random runs and scattered frames, with sequential decoding."""
    whole = sequential(file)
    rng = np.random.default_rng(0)
    chosen = [np.arange(len(whole)), np.array([len(whole) - 1])]
    for _ in range(6):
        start = rng.integers(0, max(len(whole) - 16, 0) + 1)
        chosen += [
            np.arange(start, min(start + 16, len(whole))),
            np.unique(rng.integers(0, len(whole), 7)),
        ]
    for index in (None, index_of(file)):  # by listing the packets, and by what is stored of them
        own = {"decoder": decoder, "index": index}
        with open_video(file, **own) as video:
            assert not index or decoder != "pyav" or video.packets is None
            for numbers in chosen:
                alone, later = frames_of(file, numbers, **own), video.get(numbers)
                assert len(video) == len(whole)
                assert np.array_equal(alone, later)  # a reader may have read others before
                assert len(alone) == len(numbers)
                for frame, number in zip(alone, numbers, strict=True):
                    difference = np.abs(frame.astype(int) - whole[number]).max()
                    assert difference <= tolerance, f"frame {number} of {len(whole)}"
