"""What data modules of tests have in common."""

from zsvideo.data.clips import ClipSpec
from zsvideo.data.datamodule import LoaderSpec
from zsvideo.data.datasets import KineticsDataModule

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


def kinetics(root, **more):
    return KineticsDataModule(root=str(root), table="kinetics600", **SHARED_ARGS, **more)
