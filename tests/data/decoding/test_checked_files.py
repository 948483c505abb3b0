"""What a file is, whatever its name says: other containers, pictures, covers, cut recordings."""

import av
import numpy as np
import pytest
from PIL import Image

from helpers.videos import frames_of, length_of, moving, write_video
from zsvideo.data import preparation
from zsvideo.data.decoding.boxes import ASF, FILE_PROPERTIES, ends_early
from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.forms import FormSpec
from zsvideo.data.layouts import VIDEO_FILES, class_folders

CODECS = {
    "ts": "mpeg2video",
    "mts": "libx264",
    "m2ts": "libx264",
    "3gp": "mpeg4",
    "3g2": "mpeg4",
    "ogv": "libvpx",
    "ogm": "libvpx",
    "divx": "mpeg4",
    "asf": "wmv2",
    "f4v": "libx264",
    "vob": "mpeg2video",
    "mpe": "mpeg1video",
    "m2v": "mpeg2video",
    "mxf": "mpeg2video",
    "nut": "mpeg4",
    "mjpeg": "mjpeg",
    "h264": "libx264",
    "hevc": "libx265",
    "y4m": "rawvideo",
}
FORMATS = {
    "divx": "avi",
    "ogm": "ogg",
    "ogv": "ogg",
    "mts": "mpegts",
    "mpe": "mpeg",
    "m2v": "mpeg2video",
    "y4m": "yuv4mpegpipe",
}


def write_as(file, ending, count=20, **options):
    """Write frames with a container that FFmpeg names otherwise."""
    with av.open(str(file), "w", format=FORMATS.get(ending), options=options) as container:
        stream = container.add_stream(CODECS.get(ending, "libx264"), rate=25, options={"g": "8"})
        stream.height, stream.width = 64, 96
        stream.pix_fmt = "yuvj420p" if ending == "mjpeg" else "yuv420p"
        for pixels in moving(count, (64, 96)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


@pytest.mark.parametrize("ending", CODECS)
def test_other_endings_are_videos_and_decode(tmp_path, ending):
    for name in (f"a.{ending}", f"b.{ending.upper()}"):
        write_as(made(tmp_path / "run" / name), ending)
    assert [v.id for v in class_folders(tmp_path)] == [f"run/a.{ending}", f"run/b.{ending.upper()}"]
    assert f".{ending}" in VIDEO_FILES
    assert frames_of(tmp_path / "run" / f"a.{ending}", lambda n: [0, n - 1]).shape[1:3] == (64, 96)
    assert length_of(tmp_path / "run" / f"a.{ending}") in (19, 20)  # a raw stream may keep the last


def made(file):
    file.parent.mkdir(exist_ok=True)
    return file


def fault(file, decoder="pyav"):
    with pytest.raises(UnreadableVideoError) as told:
        frames_of(file, np.arange, decoder=decoder)
    return str(told.value)


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "AVIF"])
def test_a_picture_is_no_video_by_its_name(tmp_path, kind, decoder):
    file = tmp_path / "thumb.mp4"
    Image.fromarray(moving(1, (64, 96))[0]).save(file, format=kind)
    assert fault(file, decoder) == "a still picture, no video"


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
@pytest.mark.parametrize("name", ["song.mp4", "song.mp3"])
def test_the_cover_of_a_sound_file_is_no_video(tmp_path, name, decoder):
    Image.fromarray(moving(1, (64, 96))[0]).save(tmp_path / "cover.jpg")
    with_cover(tmp_path / name, tmp_path / "cover.jpg")
    assert fault(tmp_path / name, decoder) == "no video stream"


def with_cover(file, cover):
    """Write sound with a picture as its cover."""
    with av.open(str(file), "w") as container, av.open(str(cover)) as picture:
        codec = "libmp3lame" if file.suffix == ".mp3" else "aac"
        sound = container.add_stream(codec, rate=16000, layout="mono")
        copy = container.add_stream_from_template(picture.streams.video[0])
        copy.disposition = av.stream.Disposition.attached_pic
        packet = next(picture.demux(video=0))
        packet.stream = copy
        container.mux(packet)
        for _ in range(20):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, sound.codec_context.frame_size or 1024), np.float32), "fltp", "mono"
            )
            frame.sample_rate = 16000
            container.mux(sound.encode(frame))
        container.mux(sound.encode())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("fragments.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("dash.mp4", {"movflags": "frag_every_frame+empty_moov+default_base_moof"}),
        ("live.mkv", {"live": "1"}),
        ("live.webm", {"live": "1"}),
        ("plain.mkv", {}),
        ("plain.mp4", {}),
        ("plain.avi", {}),
        ("first.mp4", {"movflags": "faststart"}),
    ],
)
def test_a_recording_that_was_cut_short_is_told(tmp_path, name, options):
    file, ending = tmp_path / name, name.rpartition(".")[2]
    if ending == "webm":
        CODECS["webm"] = "libvpx"
    write_as(file, ending, 48, **options)
    assert length_of(file) == 48
    whole = file.read_bytes()
    for share in (0.6, 0.9):
        file.write_bytes(whole[: int(len(whole) * share)])
        assert fault(file) in ("truncated", "not a video file"), share
    file.write_bytes(whole + b"\0" * 40)  # what some cameras add
    assert length_of(file) == 48


@pytest.mark.parametrize(
    "text", ["ffconcat version 1.0\nfile x.mp4\n", "#EXTM3U\n{}\n", "#EXTM3U\r\n"]
)
def test_a_list_of_files_is_no_video(tmp_path, text):
    """FFmpeg would play the files that it names, of a disk or a server."""
    write_video(tmp_path / "x.mp4", moving(6), codec="libx264")
    (tmp_path / "a.mp4").write_text(text.format((tmp_path / "x.mp4").as_uri()))
    assert fault(tmp_path / "a.mp4") == "a list of other files"


def test_a_name_that_ffmpeg_takes_for_a_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "x.mp4", moving(6), codec="libx264")
    for name in ("my:video.mp4", "concat:a|b.mp4", "http:x.mp4", "%03d.mp4", "caf\udce9.mp4"):
        (tmp_path / "x.mp4").rename(tmp_path / name)
        for decoder in ("pyav", "decord"):
            assert length_of(name, decoder=decoder) == 6
            assert len(frames_of(name, [0, 5], decoder=decoder)) == 2
        (tmp_path / name).rename(tmp_path / "x.mp4")


@pytest.mark.parametrize("ending", ["flv", "ogg", "ts", "m2ts", "asf"])
def test_a_cut_recording_that_decodes_is_used_and_told(tmp_path, ending):
    CODECS.update(flv="libx264", ogg="libvpx")
    file = tmp_path / f"a.{ending}"
    write_as(file, ending, 48)
    whole = file.read_bytes()
    settings = preparation.Settings(tmp_path, tmp_path, FormSpec("check", 128, 95, 10, 16), 60)
    for content, reason in ((whole, ""), (whole[: len(whole) * 3 // 5 + 1], preparation.CUT)):
        file.write_bytes(content)
        facts = preparation.examine(str(file), settings)
        assert (facts["status"], facts["reason"]) == ("ok", reason)
    assert 0 < facts["frames"] == length_of(file) < 48
    assert len(frames_of(file, lambda n: np.arange(n))) == facts["frames"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"FLV",
        b"FLV\1" + bytes(40),
        b"OggS",
        ASF,
        ASF + bytes(90),
        ASF + FILE_PROPERTIES,
        b"G" * 500,
        b"G" + bytes(800),
    ],
)
def test_odd_bytes_are_no_hindrance_to_tell_the_end(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert ends_early(tmp_path / "a") == (content in (b"FLV", b"OggS"))
