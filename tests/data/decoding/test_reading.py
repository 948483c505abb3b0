"""Frames by number from real and generated files; faults by name."""

import os

import av
import numpy as np
import pytest

from helpers.videos import frames_of, grey_video, length_of, write_video
from zsvideo.data.decoding.faults import UnreadableVideoError


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.mkv"])
def test_frames_by_number(tmp_path, name):
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    grey_video(tmp_path / name, 40, codec=codec)
    numbers = [0, 3, 17, 18, 39]
    grey = frames_of(tmp_path / name, numbers).mean(axis=(1, 2, 3))
    assert np.abs(grey - (np.array(numbers) * 5 + 10)).max() < 5


def test_window_in_seconds(tmp_path):
    grey_video(tmp_path / "a.mp4", 50, codec="libx264", fps=25)
    (frame,) = frames_of(tmp_path / "a.mp4", [0], window=(0.4, 1.2))
    assert abs(frame.mean() - 60) < 3
    assert length_of(tmp_path / "a.mp4", window=(0.4, 1.2)) == 20


@pytest.mark.slow
def test_real_clips_equal_sequential_decoding(shared):
    for file in sorted((shared / "clips").glob("[hku]*/*/*")):
        with av.open(str(file), metadata_errors="ignore") as container:
            whole = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        spread = np.linspace(0, len(whole) - 1, 9).astype(int)
        numbers = np.unique([*spread, *range(30, 46), *range(62, 67)])
        read = frames_of(file, numbers)
        for frame, number in zip(read, numbers, strict=True):
            difference = np.abs(frame.astype(int) - whole[number].astype(int)).mean()
            assert difference < 1, f"{file.name} frame {number}"


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "truncated", "sound"])
def test_faults_are_named(tmp_path, kind):
    file = tmp_path / "a.mp4"
    if kind == "empty":
        file.touch()
    if kind == "text":
        file.write_text("no video " * 100)
    if kind == "truncated":
        grey_video(file, 40, codec="libx264")  # its index lies at the end
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    if kind == "sound":
        with av.open(str(file), "w") as container:
            stream = container.add_stream("aac", rate=16000, layout="mono")
            sound = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
    with pytest.raises(UnreadableVideoError) as error:
        frames_of(file, [0, 1])
    expected = {
        "missing": "missing file",
        "empty": "empty file",
        "text": "not a video file",
        "truncated": "not a video file",
        "sound": "no video stream",
    }
    assert str(error.value) == expected[kind]


def test_truncated_avi(tmp_path):
    grey_video(tmp_path / "a.avi", 60)
    content = (tmp_path / "a.avi").read_bytes()
    assert len(frames_of(tmp_path / "a.avi", range(60))) == 60
    (tmp_path / "a.avi").write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableVideoError, match="truncated"):
        frames_of(tmp_path / "a.avi", [0])


def test_damaged_real_file(shared):
    with pytest.raises(UnreadableVideoError):
        frames_of(shared / "clips" / "odd" / "decord_corrupted.mp4", range(50))


def test_what_is_no_file_or_too_small(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UnreadableVideoError, match="not a regular file"):
        frames_of(tmp_path / "pipe.mp4", [0])
    write_video(tmp_path / "speck.mkv", np.zeros((5, 1, 1, 3), np.uint8), codec="ffv1")
    with pytest.raises(UnreadableVideoError, match="smaller than 8 pixels"):
        frames_of(tmp_path / "speck.mkv", [0])


def test_a_file_cut_short_behind_its_index_is_told(tmp_path):
    options = {"movflags": "faststart"}
    with av.open(str(tmp_path / "a.mp4"), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        rng = np.random.default_rng(0)
        for _ in range(40):
            noise = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableVideoError, match=r"truncated|damaged"):
        frames_of(tmp_path / "a.mp4", [0])
