"""Encoders of sentences, by `sentence-transformers`."""

import hashlib
import logging
import os
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from zsvideo.errors import UserError
from zsvideo.semantics.text_vectors import TextEncoder

EXTRA = "pip install 'zsvideo[sentences]'"
log = logging.getLogger(__name__)


def check_package() -> None:
    """Check that the package is installed; raises UserError."""
    if find_spec("sentence_transformers") is None:
        raise UserError(f"class_vectors=sentences needs a package: {EXTRA}")


@cache
def sentence_encoder(model: str, revision: str | None = None) -> TextEncoder:
    """Open a model of sentences, once in a process; it runs on the CPU.

    Args:
        model: a name on the Hugging Face hub, or a folder that `SentenceTransformer.save` wrote.
        revision: commit on the hub; None takes the newest.

    Raises:
        UserError: the package is not installed, or the model is not to be had. One that brings
            code of its own is refused.
    """
    check_package()
    import sentence_transformers

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # processes are forked later
    folder = Path(model).expanduser()
    local = folder.is_dir()
    try:
        network = sentence_transformers.SentenceTransformer(
            str(folder) if local else model,
            device="cpu",
            revision=None if local else revision,
            trust_remote_code=False,
        )
    except Exception as error:  # of the hub's client, of files, of code that is not run
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(
            f"class_vectors.model={model} cannot be loaded: {reason}; without a network give a "
            "folder with a model of sentence-transformers: class_vectors.model=FOLDER"
        ) from None
    log.info("class vectors by %s", model)

    def encode(texts: Sequence[str]) -> np.ndarray:
        """Encode texts: (N, D) float32."""
        rows: np.ndarray = network.encode(
            list(texts), show_progress_bar=False, convert_to_numpy=True, batch_size=len(texts)
        )
        return rows

    facts = {
        "library": "sentence-transformers",
        "version": sentence_transformers.__version__,
        "id": folder.name if local else model,
        "revision": None if local else revision_of(network) or revision,
        "sha256": weights_hash(network),
    }
    return TextEncoder(encode, facts)


def revision_of(network: Any) -> str | None:
    """Tell the commit of a model of the hub; None where it does not say it."""
    configs = (getattr(module, "config", None) for module in network.modules())
    return next((own for c in configs if (own := getattr(c, "_commit_hash", None))), None)


def weights_hash(network: Any) -> str:
    """Hash what a model computes with (sha256): its parts, its words, and its weights."""
    parts = [(type(part).__name__, getattr(part, "pooling_mode", None)) for part in network]
    digest = hashlib.sha256(repr(parts).encode())
    digest.update(repr(sorted(network.tokenizer.get_vocab().items())).encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()
