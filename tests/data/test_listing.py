"""Which classes a config has, without its videos."""

import pytest

from helpers.videos import grey_video
from zsvideo.data.listing import listed_classes, videos_root
from zsvideo.errors import UserError


def test_table_generated_folder_and_file(tmp_path):
    assert len(listed_classes({"table": "sun397"}, "x")[1]) == 397
    made = {"domain": "target", "target_classes": 24, "planted": 4, "data_seed": 0}
    name, classes = listed_classes(made, "x")
    assert name == "synthetic" and len(classes) == 24
    for label in ("run", "jump"):
        grey_video(tmp_path / "videos" / label / "a.avi", 3)
    (tmp_path / "names.txt").write_text("run\n\njump\nrun\n")
    for root in ("videos", "names.txt"):
        found = listed_classes({"root": str(tmp_path / root), "table": None}, "source.root")
        assert found == ("folder", ["jump", "run"])


def test_manifest_gives_its_classes(tmp_path):
    (tmp_path / "m.csv").write_text("path,class\na.mp4,run\nb.mp4,jump\nc.mp4,run\n", "utf-8-sig")
    assert listed_classes({"root": str(tmp_path / "m.csv")}, "x") == ("folder", ["jump", "run"])
    (tmp_path / "m.csv").write_text("path,id\na.mp4,x\n")
    with pytest.raises(UserError, match="class or label"):
        listed_classes({"root": str(tmp_path / "m.csv")}, "source.root")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(UserError, match="as text"):
        listed_classes({"root": str(tmp_path / "bytes.txt")}, "source.root")


def test_where_the_videos_of_a_set_lie(tmp_path):
    (tmp_path / "train").mkdir()
    kinetics = {"root": str(tmp_path), "table": "kinetics400"}
    assert videos_root(kinetics) == str(tmp_path / "train")
    assert videos_root({"root": str(tmp_path), "table": None}) == str(tmp_path)
    made = {"target_classes": 24, "planted": 4, "data_seed": 0, "videos": 2, "root": "r"}
    roots = {videos_root(made | {"domain": domain}) for domain in ("source", "target")}
    assert len(roots) == 2


def test_nothing_is_told(tmp_path):
    with pytest.raises(UserError, match=r"source\.root"):
        listed_classes({"root": str(tmp_path / "no")}, "source.root")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(UserError, match="one class name a line"):
        listed_classes({"root": str(tmp_path / "empty.txt")}, "source.root")
