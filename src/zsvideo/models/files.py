"""Where the files of networks lie; no network is needed to look."""

from pathlib import Path

from zsvideo.errors import UserError


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
