"""Releases of torch and cuDNN whose 3D convolutions are wrong, or slow."""

from typing import Any, Literal, NamedTuple

import torch
from torch.torch_version import TorchVersion

HALF = ("16", "bf16", "transformer-engine")  # begins of Lightning's names of precisions
WRONG_HALF = range(90800, 91500)  # github.com/pytorch/pytorch/issues/163539, pull 166480
WRONG_TF32 = range(91002, 91600)  # github.com/pytorch/pytorch/pull/167024


class Fault(NamedTuple):
    """What is known to be wrong with the 3D convolutions of a release.

    Attributes:
        kind: results may be `wrong` in half precision or in `tf32`, or come `slow`.
        text: in a few words.
    """

    kind: Literal["wrong", "tf32", "slow"]
    text: str


def fault(torch_version: str, cudnn: int | None, precision: str, tf32: bool) -> Fault | None:
    """Look up what is wrong with a release.

    torch 2.9.0 no longer takes cuDNN for 3D convolutions in half precision, 2.9.1 only where it is
    right, and neither takes TF32 there.

    Args:
        torch_version: of torch.
        cudnn: its version as a number, 91002 for 9.10.2; None without it.
        precision: Lightning's name of it.
        tf32: convolutions in single precision may be rounded to TF32.
    """
    version, half = TorchVersion(torch_version), precision.startswith(HALF)
    name = f"torch {torch_version} with cuDNN {cudnn}"
    if cudnn is None:
        return None
    if half and version < "2.9" and cudnn in WRONG_HALF:
        return Fault("wrong", f"{name} gives wrong 3D convolutions in half precision")
    if half and version >= "2.9" and (cudnn in WRONG_HALF or is_2_9_0(version, cudnn)):
        return Fault("slow", f"{name} is several times slower in half precision than others")
    if precision.startswith("32") and tf32 and version < "2.9.1" and cudnn in WRONG_TF32:
        return Fault("tf32", f"{name} gives wrong 3D convolutions by TF32")
    return None


def is_2_9_0(version: TorchVersion, cudnn: int) -> bool:
    """Tell whether this torch takes no cuDNN from 9.8 on (issue 166122 of torch)."""
    return version < "2.9.1" and cudnn >= WRONG_HALF.start


def installed_fault(precision: str) -> Fault | None:
    """Look up what is wrong with the release that is installed, see `fault`."""
    tf32 = torch.backends.cudnn.allow_tf32
    return fault(str(torch.__version__), cudnn_release(), precision, tf32)


def cudnn_release() -> int | None:
    """Give the release of cuDNN; None without one."""
    cudnn: Any = torch.backends.cudnn
    return int(cudnn.version()) if cudnn.is_available() else None
