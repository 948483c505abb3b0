"""Archives into folders: tar and zip by the library, rar by a tool of the system."""

import errno
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

from zsvideo.errors import UserError

RAR_TOOLS = {  # those that are there are tried in this order
    "unar": (
        "unar",
        "-quiet",
        "-force-overwrite",
        "-no-directory",
        "-output-directory",
        "{to}",
        "{file}",
    ),
    "unrar": ("unrar", "x", "-idq", "-o+", "{file}", "{to}/"),
    "bsdtar": ("bsdtar", "-xf", "{file}", "-C", "{to}"),
    "7z": ("7z", "x", "-y", "-bd", "-o{to}", "{file}"),  # where it has the plugin
    "7zz": ("7zz", "x", "-y", "-bd", "-o{to}", "{file}"),
}


def unpack(file: Path, root: Path) -> None:
    """Unpack an archive, and those inside it, into a folder; other files are copied.

    Raises:
        UserError: it is damaged, or no tool is there for it.
    """
    scratch = file.with_name(f"{file.name}.unpacking")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        if file.suffix == ".rar":
            unpack_rar(file, scratch)
        elif file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                archive.extractall(scratch)
        elif file.name.endswith((".tar", ".tar.gz", ".tgz")):
            with tarfile.open(file) as archive:
                archive.extractall(scratch, filter="data")
        else:
            shutil.copy2(file, scratch)
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        shutil.rmtree(scratch, ignore_errors=True)
        todo = "free some space" if full else "remove it"
        raise UserError(f"{file} cannot be unpacked ({error}); {todo} and start again") from None
    for inner in sorted(scratch.rglob("*.rar")):
        unpack_rar(inner, inner.parent)
        inner.unlink()
    for inner in sorted(scratch.rglob("*")):
        if inner.is_file():
            copy = root / inner.relative_to(scratch)
            copy.parent.mkdir(parents=True, exist_ok=True)
            os.replace(inner, copy)
    shutil.rmtree(scratch)


def unpack_rar(file: Path, folder: Path) -> None:
    """Unpack a `.rar` by a tool of the system; raises UserError."""
    tools = [name for name in RAR_TOOLS if shutil.which(name)]
    if not tools:
        raise UserError(
            f"{file} needs a tool that unpacks .rar: install one of {', '.join(RAR_TOOLS)} "
            "(Debian: apt install unar) and start again"
        )
    answers = []
    for tool in tools:
        command = [word.format(file=file, to=folder) for word in RAR_TOOLS[tool]]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode == 0:
            return
        answers.append(f"{tool}: " + " ".join((done.stderr or done.stdout).split())[-200:])
    other = "" if "unar" in tools else " and unar is not there, which knows more of them"
    raise UserError(
        f"{file} cannot be unpacked ({'; '.join(answers)}{other}); where it is damaged, remove it; "
        "start again"
    )
