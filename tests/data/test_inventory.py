"""What is missing of a data set, by class and by name."""

import json

from helpers.datasets import kinetics, module, touch
from zsvideo.data.datasets.activitynet import ActivityNet
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.datasets.hmdb51 import HMDB51
from zsvideo.data.datasets.ucf101 import UCF101
from zsvideo.data.inventory import by_class, missing_videos
from zsvideo.reporting.prepared import lacking


def counted(data, bad=()):
    rows = [{"class": v.label, "status": "bad" if v.id in bad else "ok"} for v in data.videos]
    counts = by_class(data.set, data.listing, rows)
    said = lacking(data.set, data.listing, counts)
    return {c["class"]: tuple(c.values())[1:] for c in counts}, said


def test_ucf101_with_and_without_its_lists(tmp_path):
    touch(
        tmp_path,
        "Archery/v_Archery_g01_c01.avi",
        "Archery/v_Archery_g09_c09.avi",
        "HandStandPushups/v_HandStandPushups_g01_c01.avi",
    )
    table, said = counted(module(UCF101, tmp_path))
    assert table["Archery"] == (2, 2, "", "") and len(table) == 101
    assert "classes without any video: ApplyEyeMakeup" in said and "13,320" in said
    assert "trainlist0N.txt" in said

    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "trainlist02.txt").write_bytes(
        b"Archery/v_Archery_g01_c01.avi 3\r\nHandstandPushups/v_HandStandPushups_g01_c01.avi 37\r\n"
    )
    (tmp_path / "splits" / "testlist02.txt").write_bytes(b"Archery/v_Archery_g02_c01.avi\r\n")
    data = module(UCF101, tmp_path)
    table, said = counted(data, bad=["Archery/v_Archery_g01_c01.avi"])
    assert table["Archery"] == (2, 1, 2, 1)  # one of two is not in the list
    assert table["HandstandPushups"] == (1, 1, 1, 0) and table["Biking"] == (0, 0, 0, 0)
    assert missing_videos(data.set, data.listing) == [
        {"name": "v_Archery_g02_c01.avi", "class": "Archery"}
    ]
    assert said.startswith("1 of 3 listed videos are missing, by class: Archery (1)")


def test_hmdb51_by_its_lists(tmp_path, shared):
    touch(tmp_path, "wave/21_wave_u_nm_np1_fr_goo_5.avi")
    for file in (shared / "annotations" / "hmdb51").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    data = module(HMDB51, tmp_path)
    table, _ = counted(data)
    assert len(table) == 51
    lines = (tmp_path / "wave_test_split1.txt").read_text().split("\n")
    listed = sum(".avi" in line for line in lines)
    assert table["wave"] == (1, 1, listed, listed - 1) and table["brush_hair"][0] == 0
    assert len(missing_videos(data.set, data.listing)) == sum(row[3] for row in table.values())


def test_kinetics_train_folder_counts_its_own_part_of_the_lists(tmp_path):
    (tmp_path / "all.csv").write_text(
        "label,youtube_id,split\nslapping,a,train\nslapping,b,train\nslapping,c,validate\n"
        "riding a bike,d,test\n"
    )
    touch(tmp_path, "train/slapping/a_000001_000011.mp4")
    table, said = counted(kinetics(tmp_path))
    assert table["slapping"] == (1, 1, 2, 1) and table["riding a bike"] == (0, 0, 0, 0)
    assert "1 of 2 listed videos are missing" in said and len(table) == 600


def test_activitynet_by_its_json(tmp_path):
    def entry(*labels):
        return {"annotations": [{"segment": [0, 1], "label": label} for label in labels]}

    database = {"one": entry("Archery", "Surfing"), "two": entry("Archery"), "hidden": entry()}
    (tmp_path / "activity_net.v1-3.min.json").write_text(json.dumps({"database": database}))
    touch(tmp_path, "videos/v_one.mp4")
    data = module(ActivityNet, tmp_path)
    table, _ = counted(data)
    assert table["Archery"] == (1, 1, 2, 1) and table["Surfing"] == (1, 1, 1, 0)
    assert len(table) == 200 and missing_videos(data.set, data.listing) == [
        {"name": "two/0", "class": "Archery"}
    ]


def test_own_folders_say_what_is_empty(tmp_path):
    touch(tmp_path, "run/0.mp4", "jump/notes.txt")
    data = module(VideoSet, tmp_path)
    table, said = counted(data)
    assert table == {"jump": (0, 0, "", ""), "run": (1, 1, "", "")}
    assert (
        said == "classes without any video: jump" and missing_videos(data.set, data.listing) is None
    )
