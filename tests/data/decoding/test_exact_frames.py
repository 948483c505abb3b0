"""Frames by number equal full sequential decoding, for every kind of container and coding."""

from fractions import Fraction

import av
import numpy as np
import pytest

from benchmarks.videos import pack_b_frames
from helpers.videos import CODINGS, check, frames_of, length_of, moving, sequential, write_video
from zsvideo.data.decoding import pyav_reader
from zsvideo.data.decoding.faults import ShorterVideoError
from zsvideo.data.decoding.reading import open_video
from zsvideo.data.transforms import Crop, View


@pytest.mark.parametrize("name", CODINGS)
def test_generated(tmp_path, name):
    codec, options = CODINGS[name]
    file = tmp_path / name
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = 48, 64
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for frame in moving(90):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    check(file)


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
def test_packed_b_frames(tmp_path, decoder):
    write_video(tmp_path / "a.avi", moving(90), options={"bf": "1", "g": "20"})
    pack_b_frames(tmp_path / "a.avi", tmp_path / "packed.avi")
    with av.open(str(tmp_path / "packed.avi")) as container:
        sizes = [packet.size for packet in container.demux(video=0)]
    assert sum(0 < size < pyav_reader.PLACEHOLDER for size in sizes) > 30
    same = zip(sequential(tmp_path / "a.avi"), sequential(tmp_path / "packed.avi"), strict=True)
    assert all(np.array_equal(a, b) for a, b in same)
    check(tmp_path / "packed.avi", decoder, tolerance=8 if decoder == "decord" else 0)


@pytest.mark.parametrize("name", ["vfr.mp4", "vfr.mkv"])
def test_variable_frame_rate(tmp_path, name):
    times = np.cumsum(np.random.default_rng(0).integers(1, 9, 80))
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream("libx264", rate=100, options={"g": "20"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for time, pixels in zip(times, moving(80), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = int(time) * 10, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    check(tmp_path / name)
    seconds = (times - times[0]) / 100
    inside = int(((seconds >= 0.5) & (seconds < 1.5)).sum())
    assert length_of(tmp_path / name, window=(0.5, 1.5)) == inside


def test_edit_list_hides_frames(tmp_path):
    write_video(tmp_path / "a.mp4", moving(60), codec="libx264", options={"g": "30"})
    with av.open(str(tmp_path / "a.mp4")) as source, av.open(str(tmp_path / "b.mp4"), "w") as out:
        copy = out.add_stream_from_template(source.streams.video[0])
        shift = None
        for packet in source.demux(video=0):
            if packet.size:
                shift = 13 * packet.duration if shift is None else shift
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copy
                out.mux(packet)
    assert len(sequential(tmp_path / "b.mp4")) < 60  # the file begins before its own start
    check(tmp_path / "b.mp4")


@pytest.mark.parametrize("name", ["key-12.mp4", "pyramid.mkv", "vp9.webm"])
def test_large_files_are_read_by_seeking(tmp_path, name, monkeypatch):
    monkeypatch.setattr(pyav_reader, "BUFFER", 0)
    codec, options = CODINGS[name]
    write_video(tmp_path / name, moving(90), codec=codec, options=options)
    check(tmp_path / name)


def test_a_longer_promise_is_found_out(tmp_path):
    write_video(tmp_path / "a.avi", moving(40), options={"bf": "2"})
    with open_video(tmp_path / "a.avi", length=43) as video:
        assert len(video) == 43
        with pytest.raises(ShorterVideoError):
            video.get(np.array([42]))
        assert len(video) == 40
        (frame,) = video.get(np.array([39]))
    assert np.array_equal(frame, sequential(tmp_path / "a.avi")[-1])


@pytest.mark.slow
def test_real_clips(shared):
    names = ("decord_corrupted", "small_")
    for file in sorted((shared / "clips").glob("*/*.*")) + sorted((shared / "clips").glob("*/*/*")):
        if not file.name.startswith(names):
            check(file)


def test_decord_is_a_choice(tmp_path):
    for name in ("key-12.mp4", "mpeg4-b.avi"):
        codec, options = CODINGS[name]
        write_video(tmp_path / name, moving(60), codec=codec, options=options)
        check(tmp_path / name, "decord", tolerance=8)


@pytest.mark.parametrize("fault", ["missing", "gap", "broken"])
def test_a_file_that_needs_a_look_into_its_streams_gets_one(tmp_path, monkeypatch, fault):
    write_video(tmp_path / "a.mp4", moving(60), codec="libx264", options={"g": "30"})
    given, opened = pyav_reader.packets_from, []

    def packets_from(*args):
        packets = list(given(*args))
        opened.append(args)
        if len(opened) == 1:
            if fault == "broken":
                raise av.InvalidDataError(1, "x")
            packets = packets[:9] if fault == "missing" else packets[:1] + packets[8:]
        return iter(packets)

    monkeypatch.setattr(pyav_reader, "packets_from", packets_from)
    with open_video(tmp_path / "a.mp4") as video:
        got = video.get(np.arange(1, 20))
        assert len(video) == 60 and len(opened) == 2
    for frame, whole in zip(got, sequential(tmp_path / "a.mp4")[1:20], strict=True):
        assert np.array_equal(frame, whole)


@pytest.mark.parametrize("codec", ["ffv1", "libx264"])
@pytest.mark.parametrize(
    "form", ["yuv420p", "yuv444p", "yuv422p10le", "yuv411p", "yuvj420p", "gray", "bgr0"]
)
def test_only_the_needed_part_is_converted(tmp_path, codec, form):
    file = tmp_path / "a.mkv"
    for size in ((48, 64), (61, 83) if codec == "ffv1" else (62, 86)):
        with av.open(str(file), "w") as container:
            stream = container.add_stream(codec, rate=25, options={"colorspace": "bt709"})
            try:
                if form not in [f.name for f in stream.codec_context.codec.video_formats]:
                    pytest.skip(f"{codec} has no {form}")
            finally:
                stream.height, stream.width, stream.pix_fmt = *size, form
            for frame in moving(6, size):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        for share in (0.0, 0.3, 0.5, 0.97):
            view = View(min(size), 31, Crop(share, 0.97 - share))
            got = frames_of(file, np.arange, view)
            for pixels, whole in zip(got, sequential(file), strict=True):
                assert np.array_equal(pixels, view.part(*size).of(whole))
