"""Where the files of networks lie, and who wrote them; no network is needed to look."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from zsvideo.errors import UserError

NEEDED = (  # hyper-parameters that every version has written
    "backbone",
    "embedding_dim",
    "dropout",
    "normalize_output",
    "reduction",
    "lr",
    "milestones",
    "gamma",
    "clips_per_pass",
    "mean",
    "std",
)
KNOWN = {
    *NEEDED,
    "frozen",
    "legacy_bn",
    "channels_last",
    "compile",
    "fused",
    "seed",
    "loss",
    "c3d_input",
    "pca",
    "head",
    "trained_classes",
    "classes",
    "encoder",
    "projection",
}


def hyperparameters(
    content: Mapping[str, Any], file: Path, option: str, needed: Collection[str] = NEEDED
) -> dict[str, Any]:
    """Give the hyper-parameters of a checkpoint, which say what network its weights are of.

    Args:
        content: of the file.
        file: for messages.
        option: that names it, for messages.
        needed: those that have to be there.

    Raises:
        UserError: it is of another program, or of a version that has others.
    """
    values = content.get("hyper_parameters")
    if not isinstance(values, Mapping) or not isinstance(content.get("state_dict"), Mapping):
        raise UserError(f"{option}={file} is no checkpoint of `python -m src.train`")
    faults = {
        "missing": [name for name in needed if name not in values],
        "unknown": sorted(map(str, values.keys() - KNOWN)),
    }
    if any(faults.values()):
        shown = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in faults.items() if names)
        raise UserError(
            f"{option}={file} was written by another version of this project, or by another "
            f"program (hyper-parameters {shown}); use the version that wrote it"
        )
    return dict(values)


def checkpoint_of(place: str, option: str) -> Path:
    """Find the checkpoint that stands for a run: the best where it was selected, else the last.

    Args:
        place: a run folder, or a file.
        option: the config key, for the message.

    Raises:
        UserError: there is none.
    """
    file = Path(place).expanduser()
    if file.is_dir():
        best, last = (file / "checkpoints" / f"{name}.ckpt" for name in ("best", "last"))
        file = best if best.is_file() else last
    if not file.is_file():
        raise UserError(f"no checkpoint at {file} ({option}); give a .ckpt file or a run folder")
    return file
