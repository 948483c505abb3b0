"""Prepared forms keep every frame and its time, and are read by number like any video."""

from fractions import Fraction

import av
import numpy as np
import pytest

from helpers.videos import (
    CODINGS,
    check,
    frames_of,
    length_of,
    moving,
    sequential,
    smooth,
    variable_rate,
    write_video,
)
from zsvideo.data.decoding.forms import FormSpec, form_bytes, shrink, write_form
from zsvideo.data.decoding.pyav_reader import all_frames
from zsvideo.errors import UserError

SPECS = {form: FormSpec(form, 32, 95, 12, 16) for form in ("pack", "h264")}
ENDINGS = {"pack": "a.frames", "h264": "a.mp4"}


@pytest.mark.parametrize("form", SPECS)
@pytest.mark.parametrize(
    "name", ["key-12.mp4", "open-gop.mp4", "mpeg4-b.avi", "h264-b.avi", "mpeg2.mpg", "vp9.webm"]
)
def test_every_frame_is_kept(tmp_path, form, name):
    codec, options = CODINGS[name]
    write_video(tmp_path / name, smooth(70), codec=codec, options=options)
    original = sequential(tmp_path / name)
    out = tmp_path / ENDINGS[form]
    assert write_form(out, all_frames(tmp_path / name), SPECS[form]) == len(original) == 70
    got = frames_of(out, np.arange)
    assert len(got) == 70
    for frame, source in zip(got, original, strict=True):
        assert frame.shape == (32, 40, 3)
        assert np.abs(frame.astype(float) - shrink(source, SPECS[form])).mean() < 3
    if form == "h264":
        check(out)


@pytest.mark.parametrize("form", SPECS)
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_times_of_variable_rate_are_kept(tmp_path, form, ending):
    times = np.cumsum(np.random.default_rng(0).integers(1, 9, 80)) * 10
    source, out = tmp_path / f"vfr.{ending}", tmp_path / ENDINGS[form]
    variable_rate(source, times, smooth(80))
    assert write_form(out, all_frames(source), SPECS[form]) == 80
    for window in ((0.0, 0.5), (0.5, 1.5), (0.61, 0.62), (1.0, 99.0), (0.33, 2.2)):
        numbers = [length_of(file, window=window) for file in (source, out)]
        seconds = (times - times[0]) / 1000
        inside = ((seconds >= window[0] - 1e-6) & (seconds < window[1] - 1e-6)).sum()
        assert numbers == [inside, inside], window


def test_h264_is_for_training(tmp_path):
    source, out = tmp_path / "source.mp4", tmp_path / "a.mp4"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(30000, 1001))
        sound = container.add_stream("aac", rate=16000, layout="mono")
        video.height, video.width, video.pix_fmt = 64, 80, "yuv420p"
        for frame in smooth(50):
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux([*sound.encode(frame), *sound.encode()])
    write_form(out, all_frames(source), SPECS["h264"])
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert abs(float(container.streams.video[0].average_rate) - 29.97) < 0.01
        keys = [n for n, p in enumerate(container.demux(video=0)) if p.size and p.is_keyframe]
    assert keys[0] == 0 and max(np.diff([*keys, 50])) <= 16


@pytest.mark.parametrize("size", [(33, 47), (24, 31), (9, 200), (64, 64)])
def test_any_size_is_encoded(tmp_path, size):
    write_video(tmp_path / "a.mkv", moving(5, size), codec="ffv1")
    for form, spec in SPECS.items():
        out = tmp_path / f"out-{ENDINGS[form]}"
        assert write_form(out, all_frames(tmp_path / "a.mkv"), spec) == 5
        (frame,) = frames_of(out, lambda n: [n - 1])
        short = min(min(size), 32)
        assert short <= min(frame.shape[:2]) <= short + (form == "h264")
        assert list(tmp_path.glob("*.part")) == []


@pytest.mark.parametrize("form", SPECS)
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_size_is_estimated(tmp_path, form, ending):
    source, out = tmp_path / f"source.{ending}", tmp_path / ENDINGS[form]
    write_video(source, moving(200, (72, 96)), codec="libx264")
    write_form(out, all_frames(source), SPECS[form])
    estimate = form_bytes(str(source), SPECS[form])
    assert abs(estimate - out.stat().st_size) < 0.3 * out.stat().st_size


@pytest.mark.parametrize(
    "wrong", [{"form": "raw"}, {"crf": 99}, {"quality": 0}, {"key_frames": "x"}]
)
def test_wrong_values_are_told(wrong):
    values = {"form": "h264", "short_side": 128, "quality": 90, "crf": 18, "key_frames": 16}
    with pytest.raises(UserError, match=next(iter(wrong))):
        FormSpec(**values | wrong)
