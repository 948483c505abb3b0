"""Archives into folders: tar and zip by the library, rar by a tool of the system."""

import errno
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from zsvideo.errors import UserError

GROWTH = 20.0  # times its size that an archive may take unpacked
SMALL = 100 << 20  # bytes that any archive may take
WATCHED = 1.0  # seconds between looks at what a tool has unpacked
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


def unpack(file: Path, root: Path, growth: float = GROWTH) -> None:
    """Unpack an archive, and those inside it, into a folder; other files are copied.

    Args:
        file: the archive.
        root: the folder.
        growth: times its size that it may take unpacked.

    Raises:
        UserError: it is damaged, grows beyond that, holds a link to elsewhere, or no tool is there
            for it.
    """
    limit = max(SMALL, int(growth * file.stat().st_size))
    scratch = file.with_name(f"{file.name}.unpacking")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        if file.suffix == ".rar":
            unpack_rar(file, scratch, scratch, limit)
        elif file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                check_size(sum(member.file_size for member in archive.infolist()), limit)
                archive.extractall(scratch)
        elif file.name.endswith((".tar", ".tar.gz", ".tgz")):
            with tarfile.open(file) as archive:
                archive.extractall(scratch, within(archive, limit), filter="data")
        else:
            shutil.copy2(file, scratch)
        for inner in sorted(scratch.rglob("*.rar")):
            check_links(scratch)
            unpack_rar(inner, inner.parent, scratch, limit)
            inner.unlink()
        check_links(scratch)
    except GrowthError:
        shutil.rmtree(scratch, ignore_errors=True)
        raise UserError(
            f"{file} ({file.stat().st_size / 1e6:.1f} MB) unpacks to more than {limit / 1e6:.0f} "
            "MB; if that is right, allow it to grow: growth=TIMES"
        ) from None
    except UserError:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        shutil.rmtree(scratch, ignore_errors=True)
        todo = "free some space" if full else "remove it"
        raise UserError(f"{file} cannot be unpacked ({error}); {todo} and start again") from None
    for inner in sorted(scratch.rglob("*")):
        if inner.is_file():
            copy = root / inner.relative_to(scratch)
            copy.parent.mkdir(parents=True, exist_ok=True)
            os.replace(inner, copy)
    shutil.rmtree(scratch)


class GrowthError(Exception):
    """An archive takes more room than it may."""


def check_size(size: int, limit: int) -> None:
    """Raise GrowthError where something takes more bytes than it may."""
    if size > limit:
        raise GrowthError


def within(archive: tarfile.TarFile, limit: int) -> Iterator[tarfile.TarInfo]:
    """Give the members of a tar file as long as they fit; raises GrowthError."""
    size = 0
    for member in archive:
        size += member.size
        check_size(size, limit)
        yield member


def size_of_folder(folder: Path) -> int:
    """Count the bytes of all files in a folder, whatever else happens there."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += os.lstat(os.path.join(place, name)).st_size
    return size


def check_links(folder: Path) -> None:
    """Check that no link leads out of what was unpacked; raises UserError."""
    for inner in sorted(folder.rglob("*")):
        if inner.is_symlink() and not inner.resolve().is_relative_to(folder.resolve()):
            raise UserError(
                f"{folder.with_suffix('')} holds a link out of its folder, "
                f"{inner.relative_to(folder)} -> {os.readlink(inner)}, and is not used; remove it"
            )


def unpack_rar(file: Path, folder: Path, scratch: Path, limit: int) -> None:
    """Unpack a `.rar` by a tool of the system.

    Args:
        file: the archive.
        folder: where to.
        scratch: the folder of all that is unpacked.
        limit: bytes that this may take.

    Raises:
        UserError: no tool is there for it, or none can.
        GrowthError: it takes more room than it may.
    """
    tools = [name for name in RAR_TOOLS if shutil.which(name)]
    if not tools:
        raise UserError(
            f"{file} needs a tool that unpacks .rar: install one of {', '.join(RAR_TOOLS)} "
            "(Debian: apt install unar) and start again"
        )
    answers = []
    for tool in tools:
        command = [word.format(file=file, to=folder) for word in RAR_TOOLS[tool]]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        answer = watched(process, scratch, limit)
        check_size(size_of_folder(scratch), limit)
        if process.returncode == 0:
            return
        answers.append(f"{tool}: " + " ".join(answer.split())[-200:])
    other = "" if "unar" in tools else " and unar is not there, which knows more of them"
    raise UserError(
        f"{file} cannot be unpacked ({'; '.join(answers)}{other}); where it is damaged, remove it; "
        "start again"
    )


def watched(process: "subprocess.Popen[str]", scratch: Path, limit: int) -> str:
    """Wait for a tool, and end it where what it unpacks grows too large; gives what it says.

    Raises:
        GrowthError: it did.
    """
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=WATCHED)[0]
        if size_of_folder(scratch) > limit:
            process.kill()
            process.communicate()
            raise GrowthError
