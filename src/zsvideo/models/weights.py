"""Weights from elsewhere: the authors' checkpoints, torchvision's and C3D's, read without trust.

A state maps parameter names to tensors. Nothing in a file is executed: only tensors, plain values,
an `argparse.Namespace` and numpy numbers, as the authors saved them, are read.
"""

import argparse
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor, nn

from zsvideo.errors import UserError

State = dict[str, Tensor]
TORCHVISION = {  # backbone -> torchvision's name for weights trained on Kinetics-400
    "r2plus1d": "R2Plus1D_18_Weights",
    "r3d": "R3D_18_Weights",
    "mc3": "MC3_18_Weights",
    "s3d": "S3D_Weights",
    "mvit_v2_s": "MViT_V2_S_Weights",
    "swin3d_t": "Swin3D_T_Weights",
}
SPORTS1M = "c3d.pickle"
CHILDREN = {"0": "stem", **{str(n): f"layer{n}" for n in range(1, 5)}}  # of a video ResNet
CLASSIFIERS = ("fc.", "classifier.", "head.")
C3D_CLASSIFIER = ("fc7.", "fc8.")  # not used by the authors' network either
C3D_LAYERS = {  # name in the public C3D -> place in `zsvideo.models.c3d`
    "conv1": "features.0",
    "conv2": "features.3",
    "conv3a": "features.6",
    "conv3b": "features.8",
    "conv4a": "features.11",
    "conv4b": "features.13",
    "conv5a": "features.16",
    "conv5b": "features.18",
    "fc6": "fc6",
}
SCALAR = np.float64(0).__reduce__()[0]  # how numpy pickles a number, under its old and new name
SAFE: list[Any] = [
    argparse.Namespace,
    SCALAR,
    (SCALAR, "numpy.core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "bool")),
]


@dataclass(frozen=True)
class Imported:
    """Weights of another program.

    Attributes:
        backbone: its name here, told from the shapes.
        f_v: state of the network without a classifier.
        f_s: state of the linear layer; empty for a plain classifier.
        options: the authors' options stored beside the weights, as plain values.
        unused: what else the file holds: parameters of a classifier, and entries beside the state.
    """

    backbone: str
    f_v: State
    f_s: State
    options: dict[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @property
    def selection(self) -> str | None:
        """How it was chosen: the authors' code always selects on the test sets; None for others."""
        return "test_best" if self.f_s else None

    def describe(self) -> dict[str, Any]:
        """Tell what the file says of itself and what of it is not used, for a run's record."""
        return {"options": self.options, "unused": list(self.unused)}


def read_file(file: Path, option: str) -> dict[str, Any]:
    """Read a file of weights without running code in it.

    Raises:
        UserError: it is missing, damaged, or asks for code to be run.
    """
    try:
        with torch.serialization.safe_globals(SAFE):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        unsafe = "Unsupported global" in str(error) or "GLOBAL" in str(error)
        why = "it asks to run code, which is refused" if unsafe else "it is damaged"
        raise UserError(f"{option}={file} cannot be read as weights: {why}") from None
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, TypeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{option}={file} cannot be read as weights: {lines[0]}") from None
    if not isinstance(content, dict):
        raise UserError(f"{option}={file} holds no weights but a {type(content).__name__}")
    return content


def import_weights(content: dict[str, Any], file: Path, option: str) -> Imported:
    """Recognise the authors' checkpoint, or a torchvision or C3D state, by its parameter names.

    Args:
        content: of the file.
        file: for messages.
        option: the config key that names it, for messages.

    Raises:
        UserError: it is none of them.
    """
    tensors = content.get("state_dict", content)
    state = {k.removeprefix("module."): v for k, v in tensors.items() if isinstance(v, Tensor)}
    f_s = {k.removeprefix("regressor."): v for k, v in state.items() if k.startswith("regressor.")}
    state = {
        k.removeprefix("model."): v for k, v in state.items() if not k.startswith("regressor.")
    }
    backbone = "c3d" if "conv5b.weight" in state else ""
    classifier = C3D_CLASSIFIER if backbone else CLASSIFIERS
    unused = [k for k, v in tensors.items() if not isinstance(v, Tensor)]
    unused += [k for k in state if k.startswith(classifier)]
    unused += [k for k in content if k not in ("state_dict", "opt") and tensors is not content]
    f_v = {k: v for k, v in state.items() if not k.startswith(classifier)}
    if backbone:
        f_v = {renamed(k, C3D_LAYERS): v for k, v in f_v.items()}
    else:
        if "0.0.weight" in f_v:  # a Sequential of the network's parts
            f_v = {renamed(k, CHILDREN): v for k, v in f_v.items()}
        f_v = {f"network.{k}": v for k, v in f_v.items()}
        backbone = recognise(f_v)
    if not backbone or not f_v:
        raise UserError(
            f"{option}={file} holds weights of no network known here; it takes checkpoints of this "
            "project and of the authors, and states of torchvision's video networks and C3D"
        )
    return Imported(backbone, f_v, f_s, plain_options(content.get("opt")), tuple(unused))


def renamed(key: str, names: Mapping[str, str]) -> str:
    """Give the first part of a parameter's name its name here; one that has none stays."""
    first, dot, rest = key.partition(".")
    return names.get(first, first) + dot + rest


def recognise(state: State) -> str:
    """Name the torchvision network of a state; empty if it is none."""
    if "network.blocks.0.attn.qkv.weight" in state:
        return "mvit_v2_s"
    if "network.patch_embed.proj.weight" in state:
        return "swin3d_t"
    if "network.features.0.0.0.weight" in state:
        return "s3d"
    if "network.layer1.0.conv1.0.3.weight" in state:
        return "r2plus1d"
    deep = state.get("network.layer4.0.conv1.0.weight")
    return "" if deep is None else ("r3d" if deep.shape[2] == 3 else "mc3")


def plain_options(namespace: Any) -> dict[str, Any]:
    """Turn the authors' options into plain values."""
    options = vars(namespace) if isinstance(namespace, argparse.Namespace) else namespace
    if not isinstance(options, dict):
        return {}
    items = {k: v.item() if isinstance(v, np.generic) else v for k, v in options.items()}
    plain = (int, float, str, bool, type(None))
    return {str(k): v if isinstance(v, plain) else str(v) for k, v in items.items()}


def load_strictly(network: nn.Module, state: State, file: Path, option: str) -> None:
    """Load a state; every parameter must have its place.

    Raises:
        UserError: parameters are missing, left over, or of another shape; all are named.
    """
    own = network.state_dict()
    faults = {
        "missing": own.keys() - state.keys(),
        "unexpected": state.keys() - own.keys(),
        "of another shape": {
            k
            for k in own.keys() & state.keys()
            if own[k].shape != state[k].shape and own[k].numel()  # else it takes any
        },
    }
    if differences := "; ".join(
        f"{kind}: {', '.join(sorted(k))}" for kind, k in faults.items() if k
    ):
        raise UserError(f"{option}={file} does not fit the network ({differences})")
    network.load_state_dict(state)


def torchvision_url(backbone: str) -> str:
    """Give the address of torchvision's weights, which is imported here alone: it is heavy."""
    from torchvision.models import video

    url: str = getattr(video, TORCHVISION[backbone]).KINETICS400_V1.url
    return url


def published_weights(backbone: str, pretrain: str, folder: Path) -> Path:
    """Find, or download, the weights that were trained on Kinetics-400 or Sports-1M.

    Args:
        backbone: which network.
        pretrain: `kinetics400` (torchvision) or `sports1m` (C3D).
        folder: where weights are kept.

    Raises:
        UserError: there are none for this network, or they cannot be downloaded.
    """
    if pretrain == "sports1m":
        file = folder / SPORTS1M
        if backbone != "c3d":
            raise UserError(f"pretrain=sports1m has weights for c3d alone, not for {backbone}")
        if not file.is_file():
            raise UserError(
                f"pretrain=sports1m needs {file}: the C3D weights (c3d.pickle) of "
                "github.com/DavideA/c3d-pytorch, which have no permanent address; put the file "
                "there, or give it by pretrain.ckpt=FILE"
            )
        return file
    if backbone not in TORCHVISION:
        raise UserError(
            f"pretrain={pretrain} has no weights for model={backbone}; it has for "
            f"{', '.join(TORCHVISION)}; c3d takes pretrain=sports1m"
        )
    url = torchvision_url(backbone)
    file = folder / url.rsplit("/", 1)[1]
    if not file.is_file():
        try:
            torch.hub.load_state_dict_from_url(
                url, str(folder), map_location="cpu", check_hash=True, weights_only=True
            )
        except (URLError, OSError, RuntimeError) as error:
            raise UserError(
                f"pretrain={pretrain}: {url} cannot be downloaded ({error}); fetch it elsewhere "
                f"and put it at {file}, or give it by pretrain.ckpt=FILE"
            ) from None
    return file
