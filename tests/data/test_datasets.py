"""Data sets in their own layouts."""

import json
from pathlib import Path

import pytest

from helpers.datasets import kinetics, module, touch
from helpers.videos import grey_video
from zsvideo.data.datasets.activitynet import ActivityNet
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.datasets.hmdb51 import HMDB51
from zsvideo.data.datasets.kinetics import Kinetics600, Kinetics700
from zsvideo.data.datasets.ucf101 import UCF101
from zsvideo.data.datasets.weizmann import Weizmann
from zsvideo.data.inventory import missing_videos
from zsvideo.data.layouts import files_below
from zsvideo.errors import UserError


def test_ucf101_inside_its_archive_folder_and_respelled(tmp_path):
    touch(
        tmp_path,
        "UCF-101/HandStandPushups/v_HandStandPushups_g01_c01.avi",
        "UCF-101/Archery/v_Archery_g01_c01.avi",
        "UCF-101/Archery/.hidden.avi",
        "UCF-101/NotAClass/a.avi",
    )
    data = module(UCF101, tmp_path)
    assert data.classes == ["Archery", "HandstandPushups"]
    assert len(data.videos) == 2 and data.published == 13_320


def test_hmdb51_and_kinetics_spellings(tmp_path):
    touch(tmp_path / "h", "brush_hair/a.avi", "ride_horse/b.avi")
    assert module(HMDB51, tmp_path / "h").classes == [
        "brush_hair",
        "ride_horse",
    ]
    touch(tmp_path / "k", "train/riding_a_bike/x_000001_000011.mp4", "train/abseiling/y.mkv")
    assert module(Kinetics700, tmp_path / "k").classes == [
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
    data = module(ActivityNet, tmp_path)
    assert [(v.id, v.label, v.window) for v in data.videos] == [
        ("one/0", "Archery", (0.0, 1.0)),
        ("one/1", "Surfing", (0.5, 2.0)),
        ("two/0", "Archery", (1.0, 1.5)),
    ]
    assert data.published == 4


def test_real_clips_are_found(shared):
    for kind, folder, count in (
        (UCF101, "ucf101", 3),
        (HMDB51, "hmdb51", 3),
        (VideoSet, "kinetics", 4),
    ):
        root = str(shared / "clips" / folder)
        assert len(module(kind, root).videos) == count


def test_nothing_there(tmp_path):
    with pytest.raises(UserError, match=r"target\.x\.root"):
        module(UCF101, tmp_path)
    touch(tmp_path, "Archery/notes.txt")
    with pytest.raises(UserError, match="no videos of ucf101"):
        module(UCF101, tmp_path)


@pytest.mark.parametrize(
    "lines",
    [
        "label,youtube_id,time_start,time_end,split,is_cc\njavelin throw,--07WQ2iBlw,1,11,train,0\n"
        "slapping,--7goKgS4kc,15,25,train,1\n",
        "label,youtube_id,time_start,time_end,split\njavelin throw,--07WQ2iBlw,1,11,validate\n"
        "slapping,--7goKgS4kc,15,25,validate\n",
        "youtube_id,label,extra\n--07WQ2iBlw,javelin throw,x\n--7goKgS4kc,slapping,y\n",
    ],
)
def test_kinetics_by_its_official_list(tmp_path, lines):
    (tmp_path / "train.csv").write_text(lines)
    touch(tmp_path, "--07WQ2iBlw_000001_000011.mp4", "unknown.mp4")
    data = kinetics(tmp_path)
    assert [(v.id, v.label) for v in data.videos] == [
        ("javelin throw/--07WQ2iBlw_000001_000011.mp4", "javelin throw")
    ]
    times = ("_000001_000011", "_000015_000025") if "time_start" in lines else ("", "")
    assert data.set.official_list() == {
        "--07WQ2iBlw" + times[0]: "javelin throw",
        "--7goKgS4kc" + times[1]: "slapping",
    }
    assert data.set.listed_name(data.videos[0]) == "--07WQ2iBlw" + times[0]


def test_kinetics_list_without_labels_says_nothing_of_classes(tmp_path):
    (tmp_path / "test.csv").write_text("youtube_id,time_start,time_end,split\nx,1,2,test\n")
    touch(tmp_path, "slapping/x_000001_000002.mp4")
    data = kinetics(tmp_path)
    assert data.classes == ["slapping"] and data.set.official_list() is None


def test_real_annotations(shared, tmp_path):
    lists = shared / "annotations"
    for name in ("k600_validate.head50.csv", "kinetics-600_test.head200.csv"):
        (tmp_path / "k").mkdir(exist_ok=True)
        (tmp_path / "k" / name).write_bytes((lists / "kinetics" / name).read_bytes())
    touch(tmp_path / "k", "--07WQ2iBlw_000001_000011.mp4", "--7goKgS4kc.mp4")
    data = kinetics(tmp_path / "k")
    assert data.classes == ["javelin throw", "slapping"]
    assert len(data.set.official_list()) == 49

    for file in (lists / "ucf101").iterdir():
        touch(tmp_path / "u", file.name)
        (tmp_path / "u" / file.name).write_bytes(file.read_bytes())
    for group in ("01", "08"):
        touch(tmp_path / "u" / "UCF-101", f"ApplyEyeMakeup/v_ApplyEyeMakeup_g{group}_c01.avi")
    found = {part: module(UCF101, tmp_path / "u", split=part) for part in ("test1", "train1", None)}
    assert [v.id[-11:-8] for v in found["test1"].videos] == ["g01"]
    assert [v.id[-11:-8] for v in found["train1"].videos] == ["g08"]
    assert len(found[None].videos) == 2 and found["test1"].published == 300

    for file in (lists / "hmdb51").iterdir():
        touch(tmp_path / "h", file.name)
        (tmp_path / "h" / file.name).write_bytes(file.read_bytes())
    names = ("20060723sfjffbartsinger_wave_f_cm_np1_ba_med_0", "21_wave_u_nm_np1_fr_goo_5")
    touch(tmp_path / "h", *(f"wave/{name}.avi" for name in names))
    for part, name in zip(("test1", "train1"), names, strict=True):
        data = module(HMDB51, tmp_path / "h", split=part)
        assert [v.id for v in data.videos] == [f"wave/{name}.avi"]

    database = json.loads(next((lists / "activitynet").iterdir()).read_text())["database"]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "activity_net.v1-3.min.json").write_text(json.dumps({"database": database}))
    touch(tmp_path / "a", *(f"videos/v_{key}.mp4" for key in database))
    data = module(ActivityNet, tmp_path / "a")
    expected = [
        (f"{key}/{n}", a["label"], tuple(a["segment"]))
        for key, entry in sorted(database.items())
        for n, a in enumerate(entry["annotations"])
    ]
    assert [(v.id, v.label, v.window) for v in data.videos] == expected
    assert len(database) == 400 and data.published == len(expected)


def test_splits_that_are_not_there(tmp_path):
    touch(tmp_path, "Archery/v_Archery_g01_c01.avi")
    with pytest.raises(UserError, match="official"):
        module(UCF101, tmp_path, split="test1")
    with pytest.raises(UserError, match="train1"):
        module(UCF101, tmp_path, split="test9")


def test_the_three_test_splits_say_which_videos_they_hold(tmp_path):
    names = [f"v_Archery_g0{n}_c01.avi" for n in range(1, 5)]
    touch(tmp_path / "u" / "UCF-101", *(f"Archery/{name}" for name in names))
    data = module(UCF101, tmp_path / "u", split=None)
    assert data.set.test_splits() is None
    for number in (1, 2, 3):
        lines = f"Archery/{names[number - 1]}\nArchery/{names[3]}\n"
        (tmp_path / "u" / f"testlist0{number}.txt").write_text(lines)
    assert data.set.test_splits() == [{names[n], names[3]} for n in range(3)]

    touch(tmp_path / "h", "wave/a.avi", "wave/b.avi")
    data = module(HMDB51, tmp_path / "h", split=None)
    for number in (1, 2, 3):
        text = f"a.avi {1 + number % 2}\nb.avi {2 - number % 2}\n"
        (tmp_path / "h" / f"wave_test_split{number}.txt").write_text(text)
    assert data.set.test_splits() == [{"a.avi"}, {"b.avi"}, {"a.avi"}]


def test_kinetics_lists_and_files_that_users_have(tmp_path, caplog):
    root = tmp_path / "k"
    touch(
        root,
        "a/same_000001_000011.mp4",
        "b/same_000020_000030.mp4",
        "b/.hidden.mp4",
        "copy/same_000001_000011.mp4",
        "v_abcdefghi_000001_000011.mp4",
        "v_short.avi",
    )
    touch(tmp_path / "elsewhere", "linked_000001_000011.mp4")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "train.csv").write_bytes(
        b"\xef\xbb\xbflabel,youtube_id,time_start,time_end,split\r\n"
        b'"slapping",same,1,11,train\r\njavelin throw,same,20,30,train\r\n'
        b"slapping,v_abcdefghi,1,11,train\r\nslapping,short,1,11,train\r\n"
        b'"riding a bike",linked,1,11,train\r\nslapping,absent,1,11,train\r\n'
    )
    data = kinetics(root)
    assert sorted(v.id for v in data.videos) == [
        "javelin throw/same_000020_000030.mp4",
        "riding a bike/linked_000001_000011.mp4",
        "slapping/same_000001_000011.mp4",
        "slapping/v_abcdefghi_000001_000011.mp4",
        "slapping/v_short.avi",
    ]
    assert "1 videos have the name of another one" in caplog.text
    assert missing_videos(data.set, data.listing) == [
        {"name": "absent_000001_000011", "class": "slapping"}
    ]


@pytest.mark.parametrize(
    ("kind", "name", "content", "words"),
    [
        (Kinetics600, "train.csv", b"\xff\xfel\0", "as text"),
        (ActivityNet, "activity_net.v1-3.min.json", b"{", "no list of Ac"),
        (
            ActivityNet,
            "activity_net.v1-3.min.json",
            b'{"database": {"x": {"annotations": [{"label": "Archery", "segment": [1]}]}}}',
            "no list of ActivityNet",
        ),
        (UCF101, "testlist01.txt", b"Archery 1\r\n", "line 1"),
        (HMDB51, "wave_test_split1.txt", b"a.avi 1\nb.avi\n", "line 2"),
    ],
)
def test_broken_lists_are_told_by_file_and_line(tmp_path, kind, name, content, words):
    root = tmp_path / "data" / "set"
    touch(root, "Archery/v.avi", "wave/a.avi", "slapping/a.mp4")
    (root / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}.*{words}"):
        module(kind, root).set.official_list()


def test_lists_with_a_byte_order_mark(tmp_path):
    root, names = tmp_path / "data" / "u", [f"v_Archery_g0{n}_c01.avi" for n in (1, 2)]
    touch(root, *(f"Archery/{name}" for name in names))
    (root / "trainlist01.txt").write_text(f"Archery/{names[0]} 3\r\n\r\n", "utf-8-sig")
    data = module(UCF101, f"{root}/", split="train1")
    assert [v.id for v in data.videos] == [f"Archery/{names[0]}"]
    root = tmp_path / "data" / "h"
    touch(root, "wave/a b.avi")
    (root / "wave_test_split1.txt").write_text("a b.avi 1 \r\n", "utf-8-sig")
    data = module(HMDB51, root, split="train1")
    assert [v.id for v in data.videos] == ["wave/a b.avi"]


def test_activitynet_videos_at_any_depth(tmp_path):
    notes = {"annotations": [{"segment": [0, 1], "label": "Archery"}]}
    database = {"v_bcdefghij": notes, "plain": notes, "linked": notes}
    (tmp_path / "activity_net.json").write_text(json.dumps({"database": database}), "utf-8-sig")
    touch(tmp_path, "videos/train/v_v_bcdefghij.mp4", "v1-3/plain.mkv", "more/.v_linked.mp4")
    (tmp_path / "videos" / "v_linked.webm").symlink_to(tmp_path / "v1-3" / "plain.mkv")
    data = module(ActivityNet, tmp_path)
    assert [v.id for v in data.videos] == ["linked/0", "plain/0", "v_bcdefghij/0"]


def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    touch(tmp_path, "run/a.mp4")

    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(UserError, match=r"target\.x\.root=.*Permission denied"):
        module(VideoSet, tmp_path)


def test_videos_outside_class_folders_are_counted_once(tmp_path, caplog):
    touch(tmp_path, "run/a.mp4", "run/day2/b.mp4", "run/day2/c.avi", "run/.cache/d.mp4", "e.mp4")
    data = module(VideoSet, tmp_path)
    assert [video.id for video in data.videos] == ["run/a.mp4"]
    (line,) = [r.getMessage() for r in caplog.records]
    assert "3 videos do not lie in ROOT/<class>/" in line and "source=csv" in line
    caplog.clear()
    touch(tmp_path / "flat", "run/a.mp4", "run/notes.txt")
    module(VideoSet, tmp_path / "flat")
    assert not caplog.records


def test_folders_that_are_no_classes_do_not_stand_in_the_way(tmp_path, caplog):
    """What systems and archivers leave behind, and lists beside the classes."""
    touch(tmp_path, "run/a.mp4", "run/@eaDir/a.mp4/thumb.jpg", "@eaDir/b.mp4", "__MACOSX/run/c.mp4")
    touch(tmp_path, "annotations/train.csv", "Splits/1.txt", "#recycle/d.mp4")
    (tmp_path / "lost+found").mkdir()
    data = module(VideoSet, tmp_path)
    assert [v.id for v in data.videos] == ["run/a.mp4"] and data.classes == ["run"]
    assert data.listing.empty == []
    (line,) = [r.getMessage() for r in caplog.records]
    assert "no classes, as they hold no video: Splits, annotations" in line
    assert not [f for f in files_below(tmp_path) if f.name != "a.mp4"]
    touch(tmp_path, "jump/notes.txt")
    assert module(VideoSet, tmp_path).listing.empty == ["jump"]


def test_files_with_other_endings_are_counted(tmp_path, caplog):
    touch(
        tmp_path, "run/a.mp4", "run/b.xyz", "run/c.XYZ", "run/d.jpg", "run/e", "run/f.srt", "g.xyz"
    )
    module(VideoSet, tmp_path)
    (line,) = [r.getMessage() for r in caplog.records]
    assert "4 videos are no videos or images asked for" in line
    assert ".xyz (2)" in line and "no ending (1)" in line and ".jpg (1)" in line


def test_the_layout_of_the_common_copy_of_kinetics(tmp_path, caplog):
    """CVDF: `train/<id>_000010_000020.mp4` beside `annotations/train.csv`."""
    lines = ["label,youtube_id,time_start,time_end,split", "abseiling,abcdefghijk,10,20,train"]
    lines += ['"massaging person\'s head",bcdefghijkl,5,15,train', "archery,cdefghijklm,0,10,val"]
    touch(tmp_path, "train/abcdefghijk_000010_000020.mp4", "train/bcdefghijkl_000005_000015.mp4")
    touch(tmp_path, "train/cdefghijklm_000000_000010.mp4", "val/x.mp4", "annotations/none.txt")
    with pytest.raises(UserError, match=r"annotations/train\.csv, .*youtube_id"):
        Kinetics600(root=str(tmp_path)).scan()
    (tmp_path / "annotations" / "train.csv").write_text("\n".join(lines))
    data = kinetics(tmp_path)
    assert sorted(v.label for v in data.videos) == ["abseiling", "massaging person's head"]
    (line,) = [r.getMessage() for r in caplog.records if "lists" in r.getMessage()]
    assert "1 videos are not in the lists" in line and "cdefghijklm" in line


def test_videos_that_no_list_and_no_name_knows_are_told(tmp_path, caplog):
    notes = {"annotations": [{"segment": [0, 1], "label": "Archery"}]}
    (tmp_path / "activity_net.json").write_text(json.dumps({"database": {"abc": notes}}))
    touch(tmp_path, "videos/v_abc.mp4", "videos/v_other.mp4")
    module(ActivityNet, tmp_path)
    touch(tmp_path / "w", "daria_bend.avi", "holiday.avi")
    module(Weizmann, tmp_path / "w")
    lines = [r.getMessage() for r in caplog.records]
    assert any("1 videos have no labelled segment" in s and "v_other" in s for s in lines)
    assert any("1 videos are not named as in this set" in s and "holiday" in s for s in lines)
