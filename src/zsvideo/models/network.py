"""The network g = f_s(mean of f_v over clips) (Sec. 3.1, 4.4), without Lightning.

Shapes: B batch, N clips a video, C channels, T frames, H W, F features, D embedding.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zsvideo.errors import UserError
from zsvideo.models import backbones
from zsvideo.models.encoders import Encoder, EncoderSpec, open_encoder
from zsvideo.models.heads import HEADS, Features, Head
from zsvideo.models.heads.gate import InformedDemocracy
from zsvideo.options import parse


class EmbeddingNetwork(nn.Module):
    """A 3D CNN and a linear layer that map the clips of a video to one class-name vector.

    It has no parts until `build`, since Lightning's modules take no arguments from a subclass.

    Attributes:
        f_v: the network, or the visual side of an encoder of another library.
        reduce: a fixed linear layer after it (`features.pca`), or nothing.
        f_s: the linear layer; with a head, and where class vectors are texts of the same encoder,
            features stay as they are.
        head: scores classes by features, in place of f_s; None for the cosine (Eq. 1).
        gate: says of features whether they are of a class trained on; None without.
        encoder_facts: what the encoder of another library is; None for an own network.
        encode_texts: its text side, texts to (K, D) unit rows; None without.
        scale: by which it multiplies cosines before a softmax.
        pairwise: texts are compared by `scores` alone: videos have no embedding for a cosine.
    """

    reduce: nn.Linear | nn.Identity

    mean: Tensor
    std: Tensor
    head: Head | None
    gate: InformedDemocracy | None
    encoder_facts: dict[str, Any] | None
    encode_texts: Callable[[Sequence[str]], np.ndarray] | None
    scale: float = 100.0  # as CLIP has learned
    pairwise: bool = False

    def build(
        self,
        backbone: str,
        embedding_dim: int,
        dropout: float,
        normalize_output: bool,
        clips_per_pass: int,
        mean: Sequence[float],
        std: Sequence[float],
        channels_last: bool = False,
        pca: int | None = None,
        head: Mapping[str, Any] | None = None,
        encoder: Encoder | Mapping[str, Any] | None = None,
        projection: str = "linear",
        frozen: bool = False,
    ) -> None:
        """Make the parts, with random weights; see `zsvideo.models.module` for the arguments.

        Raises:
            UserError: there is no such backbone, or it has fewer features.
        """
        self.clips_per_pass, self.channels_last = clips_per_pass, channels_last and not encoder
        self.normalize_output = normalize_output
        self.f_v: nn.Module
        self.encoder_facts, self.encode_texts = None, None
        if encoder is not None:
            self.use_encoder(encoder, frozen)
        elif backbone in backbones.__all__:
            self.f_v = getattr(backbones, backbone)()
        else:
            allowed = ", ".join(backbones.__all__)
            raise UserError(f"model.backbone={backbone} is unknown; allowed: {allowed}")
        self.dropout = nn.Dropout(dropout)
        size: Any = self.f_v.feature_dim
        if pca and pca > size:
            raise UserError(f"features.pca={pca} is more than the {size} features of {backbone}")
        self.reduce = nn.Linear(size, pca) if pca else nn.Identity()
        self.reduce.requires_grad_(False)
        self.f_s: nn.Linear | nn.Identity = nn.Identity()
        if not self.pairwise:  # whose features are many
            self.f_s = nn.Linear(self.feature_dim, embedding_dim)
        if projection == "none":
            own: Any = self.f_v
            compared = own.text_dim if self.pairwise else self.feature_dim
            if compared != embedding_dim:
                raise UserError(
                    f"class vectors of {embedding_dim} numbers cannot be compared with the "
                    f"{self.feature_dim} features of {backbone}; take class_vectors=text with this "
                    "encoder, without features.pca"
                )
            self.f_s, self.normalize_output, self.dropout = nn.Identity(), True, nn.Dropout(0)
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1, 1), persistent=False)
        if self.channels_last:
            self.f_v.to(memory_format=torch.channels_last_3d)
        self.embedding_dim, self.head, self.gate = embedding_dim, None, None
        if head:
            self.make_head(head)

    def use_encoder(self, encoder: Encoder | Mapping[str, Any], frozen: bool) -> None:
        """Take the visual side of an encoder of another library as f_v.

        Args:
            encoder: opened, or what `open_encoder` opens.
            frozen: its weights are no part of the state, which then goes without them: they are
                known by their hash.
        """
        if not isinstance(encoder, Encoder):
            encoder = open_encoder(parse(EncoderSpec, encoder, "encoder"))
        self.f_v, self.encoder_facts = encoder.vision, encoder.facts()
        self.pairwise = encoder.vision.pairwise
        self.encode_texts = encoder.encode_texts if encoder.spec.texts else None
        self.scale = encoder.scale or self.scale
        if frozen:
            own: Any = self
            own.register_state_dict_post_hook(leave_out_f_v)
            own.register_load_state_dict_post_hook(do_not_miss_f_v)

    def make_head(self, made_by: Mapping[str, Any]) -> None:
        """Make a head of a `kind` with its `options`, as it is before it is fitted.

        With `gate_classes`, the number of classes trained on, there is a gate too.
        """
        kind = HEADS[made_by["kind"]]
        options = parse(kind.Options, made_by["options"], "head")
        self.use_head(kind(self.feature_dim, self.embedding_dim, options))
        if classes := made_by.get("gate_classes"):
            self.gate = InformedDemocracy(self.feature_dim, classes, InformedDemocracy.Options())

    def use_head(self, head: Head) -> None:
        """Score by a head, in place of f_s and the cosine."""
        self.head, self.f_s, self.normalize_output = head, nn.Identity(), False

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Score classes (K, D) by the head, or a `pairwise` encoder: (B, K).

        Raises:
            UserError: there is neither; embeddings are compared by cosine.
        """
        if self.head is not None:
            return self.head.scores(features, vectors)
        if not self.pairwise:
            raise UserError("the model has no head; it compares embeddings by cosine")
        own: Any = self.f_v
        scores: Tensor = own.scores(features.mean, vectors)
        return scores

    @property
    def feature_dim(self) -> int:
        """F, of what goes into f_s."""
        own: Any = self.f_v.feature_dim
        return self.reduce.out_features if isinstance(self.reduce, nn.Linear) else int(own)

    def encode(self, clips: Tensor) -> Tensor:
        """Run f_v over clips: (B, C, T, H, W) uint8 to (B, F)."""
        layout = torch.channels_last_3d if self.channels_last else torch.preserve_format
        features: Tensor = self.reduce(
            self.f_v(((clips / 255.0 - self.mean) / self.std).to(memory_format=layout))
        )
        return features

    def clip_features(self, clips: Tensor) -> Tensor:
        """Run f_v over the clips of each video: (B, N, C, T, H, W) uint8 to (B, N, F)."""
        flat = clips.flatten(0, 1)
        step = len(flat) if self.training else self.clips_per_pass
        features = torch.cat([self.encode(part) for part in torch.split(flat, step)])
        return torch.unflatten(features, 0, clips.shape[:2])

    def features(self, clips: Tensor) -> Tensor:
        """Average f_v over the clips of each video: (B, N, C, T, H, W) uint8 to (B, F)."""
        return self.clip_features(clips).mean(dim=1)

    def forward(self, clips: Tensor) -> Tensor:
        """Map the clips of each video to its embedding: (B, N, C, T, H, W) uint8 to (B, D)."""
        return self.project(self.features(clips))

    def project(self, features: Tensor) -> Tensor:
        """Map features to embeddings: (B, F) to (B, D)."""
        embeddings = self.f_s(self.dropout(features))
        return F.normalize(embeddings, dim=1) if self.normalize_output else embeddings


def leave_out_f_v(
    network: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]
) -> None:
    """Take f_v out of a state."""
    for key in [key for key in state if key.startswith(f"{prefix}f_v.")]:
        del state[key]


def do_not_miss_f_v(network: nn.Module, incompatible: Any) -> None:
    """Load a state without f_v as if it were complete."""
    missing = incompatible.missing_keys
    missing[:] = [key for key in missing if not key.startswith("f_v.")]
