"""Which classes a config has, without its videos."""

import pytest
from conftest import grey_video

from src.data.listing import listed_classes
from src.errors import UserError


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


def test_nothing_is_told(tmp_path):
    with pytest.raises(UserError, match=r"source\.root"):
        listed_classes({"root": str(tmp_path / "no")}, "source.root")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(UserError, match="one class name a line"):
        listed_classes({"root": str(tmp_path / "empty.txt")}, "source.root")
