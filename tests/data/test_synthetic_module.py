"""The generated data set as a data module."""

import numpy as np
import pytest

from helpers.datasets import SPECS
from helpers.vectors import bank
from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.datasets import video_set
from zsvideo.data.datasets.synthetic import Synthetic
from zsvideo.errors import UserError


def module(root, **changes):
    options = {
        "domain": "target",
        "videos": 1,
        "target_classes": 20,
        "planted": 0,
        "data_seed": 0,
        "video_seed": None,
    }
    values = {"_target_": f"{Synthetic.__module__}.Synthetic", "root": str(root), **options}
    return VideoDataModule(video_set(values | changes, "target.x"), *SPECS)


def test_settings_do_not_get_into_each_others_way(tmp_path):
    one, two = module(tmp_path), module(tmp_path, videos=2)
    assert (len(one.videos), len(two.videos)) == (20, 40)
    files = {v.path for v in one.videos}
    assert {v.path for v in module(tmp_path).videos} == files


def test_unknown_domain(tmp_path):
    with pytest.raises(UserError, match="source, target, stills"):
        module(tmp_path, domain="moon")


def test_stills_become_clips_that_move(tmp_path):
    found = module(tmp_path, domain="stills", videos=2)
    assert len(found.classes) == 12 and len(found.videos) == 24
    assert "purple cross" in found.classes
    found.use(bank({name: np.ones(4) for name in found.classes}))
    frames = next(iter(found.train_dataloader()))["frames"]
    assert frames.shape[1:] == (32, 32, 3)
    assert (frames[0] != frames[15]).any()
