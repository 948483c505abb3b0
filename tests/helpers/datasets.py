"""What data modules of tests have in common."""

from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.datasets.kinetics import Kinetics600
from zsvideo.data.options import ClipSpec, LoaderSpec
from zsvideo.options import parse

SPECS = ClipSpec(16, 3, 40, 32, 0.5, "loop"), LoaderSpec(2, 2, 0, 0), 0


def module(kind, root, **options):
    """The data module of a set."""
    values = {"root": str(root), "option": "target.x.root", **options}
    return VideoDataModule(parse(kind, values, "target.x"), *SPECS)


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def kinetics(root, **more):
    return module(Kinetics600, root, **more)
