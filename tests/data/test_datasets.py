"""Data sets in their own layouts."""

import json

import pytest
from conftest import grey_video

from src.data.clips import ClipSpec
from src.data.datamodule import LoaderSpec, VideoDataModule
from src.data.datasets import (
    ActivityNetDataModule,
    HMDB51DataModule,
    KineticsDataModule,
    UCF101DataModule,
)
from src.errors import UserError

SHARED_ARGS = {
    "clips": ClipSpec(16, 3, 40, 32, 0.5, "loop"),
    "loader": LoaderSpec(2, 2, 0, 0),
    "seed": 0,
    "option": "target.x.root",
}


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_ucf101_inside_its_archive_folder_and_respelled(tmp_path):
    touch(tmp_path, "UCF-101/HandStandPushups/v_HandStandPushups_g01_c01.avi",
          "UCF-101/Archery/v_Archery_g01_c01.avi", "UCF-101/Archery/.hidden.avi",
          "UCF-101/NotAClass/a.avi")  # fmt: skip
    module = UCF101DataModule(str(tmp_path), "ucf101", **SHARED_ARGS)
    assert module.classes == ["Archery", "HandstandPushups"]
    assert len(module.videos) == 2 and module.published == 13_320


def test_hmdb51_and_kinetics_spellings(tmp_path):
    touch(tmp_path / "h", "brush_hair/a.avi", "ride_horse/b.avi")
    assert HMDB51DataModule(str(tmp_path / "h"), "hmdb51", **SHARED_ARGS).classes == [
        "brush_hair",
        "ride_horse",
    ]
    touch(tmp_path / "k", "train/riding_a_bike/x_000001_000011.mp4", "train/abseiling/y.mkv")
    assert KineticsDataModule(str(tmp_path / "k"), "kinetics700", **SHARED_ARGS).classes == [
        "abseiling",
        "riding a bike",
    ]


def test_activitynet_takes_labelled_segments_only(tmp_path):
    def entry(subset, *segments):
        notes = [{"segment": s, "label": label} for s, label in segments]
        return {"subset": subset, "duration": 9, "annotations": notes}

    database = {
        "one": entry("training", ([0.0, 1.0], "Archery"), ([0.5, 2.0], "Surfing")),
        "two": entry("validation", ([1.0, 1.5], "Archery")),
        "hidden": entry("testing"),
        "absent": entry("training", ([0, 1], "Archery")),
    }
    (tmp_path / "activity_net.v1-3.min.json").write_text(json.dumps({"database": database}))
    for name in ("one", "two", "hidden"):
        grey_video(tmp_path / "videos" / f"v_{name}.mp4", 60, codec="libx264")
    module = ActivityNetDataModule(str(tmp_path), "activitynet", **SHARED_ARGS)
    assert [(v.id, v.label, v.window) for v in module.videos] == [
        ("one/0", "Archery", (0.0, 1.0)),
        ("one/1", "Surfing", (0.5, 2.0)),
        ("two/0", "Archery", (1.0, 1.5)),
    ]
    assert module.published == 4


def test_real_clips_are_found(shared):
    for module, folder, table, count in (
        (UCF101DataModule, "ucf101", "ucf101", 3),
        (HMDB51DataModule, "hmdb51", "hmdb51", 3),
        (VideoDataModule, "kinetics", None, 4),
    ):
        assert len(module(str(shared / "clips" / folder), table, **SHARED_ARGS).videos) == count


def test_nothing_there(tmp_path):
    with pytest.raises(UserError, match=r"target\.x\.root"):
        UCF101DataModule(str(tmp_path), "ucf101", **SHARED_ARGS)
    touch(tmp_path, "Archery/notes.txt")
    with pytest.raises(UserError, match="no videos of ucf101"):
        UCF101DataModule(str(tmp_path), "ucf101", **SHARED_ARGS)
