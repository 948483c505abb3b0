"""An encoder of another library, as this project sees it.

Shapes: B batch, C channels, T frames, H W, F features, K texts, D numbers of a text.
"""

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zsvideo.errors import UserError
from zsvideo.models.encoders.options import EncoderSpec

log = logging.getLogger(__name__)
TEXTS = 256  # encoded at once
COMPARED = "compared with texts that change by the video"


class Vision(nn.Module):
    """The visual side of an encoder, an f_v.

    Attributes:
        feature_dim: F.
        text_dim: D, of the texts that features are compared with.
        pairwise: texts are compared by `scores` alone, and not by the cosine of two vectors.
    """

    pairwise: bool = False

    def __init__(self, network: nn.Module, feature_dim: int, text_dim: int | None = None) -> None:
        """Take a network; its texts have as many numbers as its features, or `text_dim`."""
        super().__init__()
        self.network, self.feature_dim = network, feature_dim
        self.text_dim = text_dim or feature_dim

    def forward(self, clips: Tensor) -> Tensor:
        """Encode normalised clips: (B, C, T, H, W) to (B, F)."""
        raise NotImplementedError

    def scores(self, features: Tensor, texts: Tensor) -> Tensor:
        """Compare features (B, F) with texts (K, D), both of any length: cosines (B, K)."""
        return F.normalize(features, dim=1) @ F.normalize(texts, dim=1).T


class Pictures(Vision):
    """An image encoder, over the frames of a clip: the mean of their unit features."""

    def forward(self, clips: Tensor) -> Tensor:
        """Encode normalised clips: (B, C, T, H, W) to (B, F)."""
        frames = clips.movedim(2, 1)
        features = F.normalize(self.network(frames.flatten(0, 1)), dim=1)
        return torch.unflatten(features, 0, frames.shape[:2]).mean(dim=1)


class Encoder(nn.Module):
    """Two sides of one space: videos, and for most encoders texts.

    Attributes:
        spec: what it is, with the revision and the hash of the weights that it has.
        network: all of it, as the library makes it.
        vision: the visual side.
        scale: by which cosines are multiplied before the softmax, as learned; None without one.
        version: of the library.
        has_cut: some text was too long, which was said.
    """

    network: nn.Module
    vision: Vision
    scale: float | None
    version: str
    has_cut: bool = False

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self.spec, self.scale = spec, None

    def embed_texts(self, texts: list[str]) -> tuple[Tensor, int]:
        """Embed some texts: (K, D) of any length, and how many fill the room that there is."""
        raise NotImplementedError

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Encode texts with the tokenizer and the length of context of the encoder.

        The text side follows the visual side to its device.

        Returns:
            (K, D) float32, unit rows.

        Raises:
            UserError: it has no text side.
        """
        if not self.spec.texts:
            raise UserError(
                f"encoder={self.spec.name} has no text side; train f_s or a head on its features, "
                "with class_vectors=words or class_vectors=sentences"
            )
        self.to(next(self.vision.parameters()).device)
        rows, full = [np.zeros((0, self.vision.text_dim), np.float32)], 0
        for start in range(0, len(texts), TEXTS):
            with torch.inference_mode():
                embedded, filled = self.embed_texts(list(texts[start : start + TEXTS]))
            rows.append(F.normalize(embedded.float(), dim=1).cpu().numpy())
            full += filled
        if full and not self.has_cut:
            log.warning(
                "%d of %d texts fill all that encoder=%s reads of a text; what is beyond is cut, "
                "here and in others",
                full,
                len(texts),
                self.spec.name,
            )
            self.has_cut = True
        return np.concatenate(rows)

    def facts(self) -> dict[str, Any]:
        """Say which encoder this is, for a record: plain data without places of this machine."""
        spec = self.spec
        return {
            "name": spec.name,
            "library": spec.library,
            "version": self.version,
            "id": spec.id,
            "revision": spec.revision,
            "sha256": spec.sha256,
            "kind": spec.kind,
            "track": spec.track,
            "licence": spec.licence,
            "trained_on": spec.trained_on,
            "labels": spec.labels,
            "began_with": spec.began_with,
            **({"compared": COMPARED} if self.vision.pairwise else {}),
        }


def weights_hash(network: nn.Module) -> str:
    """Hash the weights of a network (sha256), whatever the library calls each of them.

    It is the hash of the sorted hashes of the tensors, each with its type and shape.
    """
    digests = []
    for tensor in network.state_dict().values():
        plain = tensor.detach().cpu().contiguous()
        digest = hashlib.sha256(f"{plain.dtype}{tuple(plain.shape)}".encode())
        digest.update(plain.flatten().view(torch.uint8).numpy())
        digests.append(digest)
    joined = "".join(sorted(digest.hexdigest() for digest in digests))
    return hashlib.sha256(joined.encode()).hexdigest()
