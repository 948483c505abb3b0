"""Files of a repository of the Hugging Face hub."""

from collections.abc import Sequence
from pathlib import Path

from zsvideo.errors import UserError


def fetched(name: str, patterns: Sequence[str], revision: str | None = None) -> Path:
    """Fetch files of a repository, or find them in the client's cache.

    Args:
        name: of the repository, USER/NAME.
        patterns: of the files.
        revision: commit; None takes the newest.

    Returns:
        Their folder, which has the name of the commit.

    Raises:
        UserError: the client is not installed, or the files are not to be had.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import RepositoryNotFoundError
    except ImportError:
        raise UserError(f"{name} needs a package: pip install huggingface_hub") from None
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[*patterns]))
    except RepositoryNotFoundError:
        reason = "there is no such repository, or it is private"
    except Exception as error:  # also of the client's HTTP library, of which there are several
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    raise UserError(f"{name} cannot be fetched: {reason}")
