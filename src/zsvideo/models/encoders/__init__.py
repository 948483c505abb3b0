"""Frozen encoders: image-text, video-text and video models of other libraries.

`open_encoder` makes one of what a file of `conf/encoder` says. Nothing that comes with weights is
executed. The libraries are an extra, and are imported here alone.
"""

from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from zsvideo.errors import UserError
from zsvideo.models.encoders.options import EncoderSpec

if TYPE_CHECKING:
    import torch

    from zsvideo.models.encoders.base import Encoder

__all__ = ["Encoder", "EncoderSpec", "check_library", "open_encoder"]
EXTRA = "pip install 'zsvideo[encoders]'"


def __getattr__(name: str) -> Any:
    """Import the class when it is asked for: the options alone need no torch."""
    if name == "Encoder":
        from zsvideo.models.encoders.base import Encoder

        return Encoder
    raise AttributeError(name)


def check_library(spec: EncoderSpec) -> None:
    """Check that the library of an encoder is installed; raises UserError."""
    if find_spec(spec.library) is None:
        raise UserError(f"encoder={spec.name} needs {spec.library}, an extra: {EXTRA}")


def open_encoder(spec: EncoderSpec, device: "torch.device | str" = "cpu") -> "Encoder":
    """Open an encoder, ready to encode.

    Args:
        spec: what a file of `conf/encoder` says.
        device: where it then lies, and encodes texts.

    Returns:
        The encoder; its `spec` says the revision and the hash of the weights.

    Raises:
        UserError: its library is not installed; its files are not to be had, damaged, not those of
            `spec.sha256`, or bring code to run; or it gives other cosines than `spec.parity`.
    """
    check_library(spec)
    from zsvideo.models.encoders.base import weights_hash
    from zsvideo.models.encoders.hub import with_files
    from zsvideo.models.encoders.parity import check_parity

    spec, folder = with_files(spec)
    encoder: Encoder
    if spec.library == "open_clip":
        from zsvideo.models.encoders.openclip import OpenClip

        encoder = OpenClip(spec, folder)
    else:
        from zsvideo.models.encoders.huggingface import open_transformers

        encoder = open_transformers(spec, folder)
    sha256 = weights_hash(encoder.network)
    if spec.sha256 not in (None, sha256):
        raise UserError(
            f"encoder={spec.name}: the weights of {spec.weights or spec.id} are others (sha256 "
            f"{sha256[:12]}) than those asked for ({str(spec.sha256)[:12]}); give the folder of "
            "those: encoder.weights=FOLDER"
        )
    encoder.spec = replace(spec, sha256=sha256)
    encoder.eval().requires_grad_(False).to(device)
    if spec.parity is not None:
        check_parity(encoder)
    return encoder
