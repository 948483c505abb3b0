"""The data sets, one file each: classes, files, official lists, published size, addresses.

A config names one by its class: `_target_: zsvideo.data.datasets.ucf101.UCF101`. Your own is a
class of this kind in any module that Python can import and `ZSVIDEO_TARGETS` allows.
"""

from collections.abc import Mapping
from typing import Any

from zsvideo.data.datasets.base import VideoSet
from zsvideo.errors import UserError
from zsvideo.options import parse
from zsvideo.targets import load_target


def video_set(values: Mapping[str, Any], group: str = "") -> VideoSet:
    """Make the data set that a config names.

    Args:
        values: its class as `_target_`, and its options.
        group: where it stands in the config, such as `source` or `target.ucf101`.

    Raises:
        UserError: there is no such class, it may not be named, or an option is wrong.
    """
    own = dict(values)
    name = own.pop("_target_", f"{VideoSet.__module__}.VideoSet")
    kind = load_target(name, f"{group}._target_")
    if not (isinstance(kind, type) and issubclass(kind, VideoSet)):
        raise UserError(
            f"{group}._target_={name} is no data set: give a class that extends "
            "zsvideo.data.datasets.base.VideoSet"
        )
    option = ".".join(filter(None, [group, "root"]))
    videos: VideoSet = parse(kind, own | {"option": option}, group)
    return videos
