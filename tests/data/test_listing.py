"""Which classes a config has, and where its videos lie, without them."""

import pytest

from helpers.videos import grey_video
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.datasets.kinetics import Kinetics400
from zsvideo.data.datasets.sun397 import SUN397
from zsvideo.data.datasets.synthetic import Synthetic
from zsvideo.errors import UserError


def classes(root, option="source.root"):
    return VideoSet(root=str(root), option=option).class_list()


def test_table_generated_folder_and_file(tmp_path):
    assert len(SUN397(root="x").class_list()) == 397
    made = Synthetic(root="x", domain="target", target_classes=24, planted=4, data_seed=0)
    assert made.name == "synthetic" and len(made.class_list()) == 24
    for label in ("run", "jump"):
        grey_video(tmp_path / "videos" / label / "a.avi", 3)
    (tmp_path / "names.txt").write_text("run\n\njump\nrun\n")
    for root in ("videos", "names.txt"):
        assert classes(tmp_path / root) == ["jump", "run"]
    assert VideoSet(root="x").name == "folder"


def test_manifest_gives_its_classes(tmp_path):
    (tmp_path / "m.csv").write_text("path,class\na.mp4,run\nb.mp4,jump\nc.mp4,run\n", "utf-8-sig")
    assert classes(tmp_path / "m.csv") == ["jump", "run"]
    (tmp_path / "m.csv").write_text("path,id\na.mp4,x\n")
    with pytest.raises(UserError, match="class or label"):
        classes(tmp_path / "m.csv")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(UserError, match="as text"):
        classes(tmp_path / "bytes.txt")


def test_where_the_videos_of_a_set_lie(tmp_path):
    (tmp_path / "train").mkdir()
    assert Kinetics400(root=str(tmp_path)).folder == tmp_path / "train"
    assert VideoSet(root=str(tmp_path)).folder == tmp_path
    made = {"target_classes": 24, "planted": 4, "data_seed": 0, "videos": 2, "root": "r"}
    folders = {
        Synthetic(**made, domain=domain, video_seed=seed).folder
        for domain in ("source", "target")
        for seed in (None, 1)
    }
    assert len(folders) == 4


def test_nothing_is_told(tmp_path):
    with pytest.raises(UserError, match=r"source\.root"):
        classes(tmp_path / "no")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(UserError, match="one class name a line"):
        classes(tmp_path / "empty.txt")
