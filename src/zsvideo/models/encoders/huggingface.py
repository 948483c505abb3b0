"""Video encoders of transformers: VideoPrism and PE-AV with texts, V-JEPA 2 and VideoMAE without.

Shapes: B batch, C channels, T frames, H W, K texts, L tokens, F features.
"""

import contextlib
import io
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from zsvideo.data.options import ClipSpec
from zsvideo.data.sampling import spread_frames
from zsvideo.data.transforms import Crop, View
from zsvideo.errors import UserError
from zsvideo.models.encoders.base import Encoder, Vision
from zsvideo.models.encoders.hub import CONFIGS, DAMAGE
from zsvideo.models.encoders.options import EncoderSpec
from zsvideo.models.encoders.parity import fixed_frames, normalised

log = logging.getLogger(__name__)
LIBRARY: Any = transformers  # whose types are not complete
PAIRWISE = (
    "its texts are encoded anew for every video, so that a class has no vector: score the videos "
    "by its own code, and give the scores by `evaluate predictions=FILE`"
)
LENGTH = 97  # of the video by which frames are compared


class Pooled(Vision):
    """A video encoder with an output for the whole clip."""

    def forward(self, clips: Tensor) -> Tensor:
        """Encode normalised clips: (B, C, T, H, W) to (B, F)."""
        output: Tensor = self.network(clips.movedim(2, 1).contiguous()).pooler_output
        return output.flatten(1)  # VideoPrism gives (B, 1, F)


class Projected(Pooled):
    """A video encoder, and what maps its output into the space of the texts."""

    def __init__(self, network: nn.Module, head: nn.Module, feature_dim: int) -> None:
        super().__init__(network, feature_dim)
        self.head = head

    def forward(self, clips: Tensor) -> Tensor:
        """Encode normalised clips: (B, C, T, H, W) to (B, F)."""
        output: Tensor = self.head(super().forward(clips))
        return output


class Averaged(Vision):
    """A video encoder with an output for each part of a clip: their mean."""

    def forward(self, clips: Tensor) -> Tensor:
        """Encode normalised clips: (B, C, T, H, W) to (B, F)."""
        parts: Tensor = self.network(clips.movedim(2, 1).contiguous()).last_hidden_state
        return parts.mean(dim=1)


class Transformers(Encoder):
    """An encoder of transformers, from a folder with its `config.json` and weights.

    Attributes:
        padding: whether texts are padded to all that is read of one, or to the longest of a batch.
    """

    version = LIBRARY.__version__
    padding: str | bool = True

    def __init__(self, spec: EncoderSpec, folder: Path) -> None:
        """Open it; raises UserError where the files are damaged or say another input."""
        super().__init__(spec)
        here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        LIBRARY.utils.logging.disable_progress_bar()
        try:
            # PE-AV prints faults of the library's own docstrings.
            with contextlib.redirect_stdout(io.StringIO()):
                self.network, loading = LIBRARY.AutoModel.from_pretrained(
                    folder,
                    use_safetensors=True,
                    dtype=torch.float32,
                    output_loading_info=True,
                    **here,
                )
            if missing := sorted(loading["missing_keys"]):
                raise ValueError(f"{len(missing)} weights are missing, such as {missing[0]}")
            if spec.texts:
                self.tokenizer: Any = LIBRARY.AutoTokenizer.from_pretrained(folder, **here)
        except DAMAGE as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise UserError(f"encoder={spec.name} in {folder} is damaged: {lines[0]}") from None
        self.vision = self.side(self.network)
        self.check_input(folder)

    def side(self, network: Any) -> Vision:
        """Take the visual side of a model."""
        raise NotImplementedError

    def read(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed tokens (K, L) with their mask: (K, F)."""
        raise NotImplementedError

    @property
    def context(self) -> int:
        """The most tokens that are read of a text."""
        config: Any = self.network.config
        room = int(config.text_config.max_position_embeddings)
        return min(int(self.tokenizer.model_max_length), room)

    def embed_texts(self, texts: list[str]) -> tuple[Tensor, int]:
        """Embed some texts: (K, F), and how many fill the L tokens."""
        length = self.context
        tokens = self.tokenizer(
            texts, padding=self.padding, truncation=True, max_length=length, return_tensors="pt"
        )
        ids, mask = tokens["input_ids"], tokens["attention_mask"]
        device = next(self.network.parameters()).device
        return self.read(ids.to(device), mask.to(device)), int(mask[:, length - 1 :].sum())

    def check_input(self, folder: Path) -> None:
        """Check that frames and pixels are those that the files of the weights ask for.

        The library's own processor is given a clip, and its output compared with what is read here.

        Raises:
            UserError: they are others.
        """
        spec = self.spec
        try:
            processor: Any = LIBRARY.AutoVideoProcessor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            log.info("the files of encoder=%s do not say what it reads: %s", spec.name, error)
            return
        side = spec.short_side or spec.size
        frames = fixed_frames(2, side + side // 4, 2 * side)
        output = processor(videos=[frames], return_tensors="pt", do_sample_frames=False)
        theirs = next(iter(output.values()))[0]  # (T, C, H, W)
        view = View.of(spec.clips(ClipSpec()), Crop())
        pixels = np.stack([view.part(*frame.shape[:2]).of(frame) for frame in frames])
        ours = normalised(pixels, spec.mean, spec.std)[0].movedim(0, 1)
        if theirs.shape != ours.shape:
            size = " x ".join(map(str, theirs.shape[2:]))
            raise UserError(
                f"encoder.size={spec.size} is not the input of {spec.id}, whose files say {size}"
            )
        levels = (theirs - ours).abs() * torch.tensor(spec.std).view(-1, 1, 1) * 255
        if not levels.max() <= 1.5:
            raise UserError(
                f"encoder={spec.name} would not see the pixels that its files ask for: they differ "
                f"by {levels.max():.0f} of 255; look at encoder.resize, interpolation, short_side, "
                "mean and std"
            )
        if processor.do_sample_frames:
            about = LIBRARY.video_utils.VideoMetadata(total_num_frames=LENGTH, fps=25.0)
            asked = processor.sample_frames(about, num_frames=spec.frames)
            here = spread_frames(LENGTH, spec.frames, 1, spec.sampling)[0].tolist()
            if list(map(int, asked)) != here:
                raise UserError(
                    f"encoder.sampling={spec.sampling} takes other frames than {spec.id} is given "
                    f"by its library: of {LENGTH} these: {', '.join(str(int(i)) for i in asked)}"
                )


class VideoPrism(Transformers):
    """VideoPrism-LvT (Zhao et al., ICML 2024)."""

    padding = "max_length"

    def side(self, network: Any) -> Vision:
        """Take the visual side."""
        return Pooled(network.video_model, network.config.vision_config.hidden_size)

    def read(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed tokens (K, L) with their mask: (K, F)."""
        network: Any = self.network
        output: Tensor = network.get_text_features(ids, mask).pooler_output
        return output


class PerceptionEncoder(Transformers):
    """The video and text sides of PE-AV, which need no sound (Vyas et al., 2025)."""

    def side(self, network: Any) -> Vision:
        """Take the visual side."""
        self.pair: Any = getattr(network, "video_model", network)
        self.scale = float(self.pair.text_video_logit_scale.detach())
        size = network.config.text_config.hidden_size
        return Projected(self.pair.video_encoder, self.pair.video_head, size)

    def read(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed tokens (K, L) with their mask: (K, F)."""
        hidden = self.pair.text_model(ids, mask, output_hidden_states=True).hidden_states[-1]
        output: Tensor = self.pair.text_video_head(hidden[:, 0])
        return output


class Parts(Transformers):
    """A video encoder without texts: V-JEPA 2, VideoMAE, VideoPrism."""

    def side(self, network: Any) -> Vision:
        """Take the encoder, without what predicts hidden parts."""
        own = network.encoder if network.config.model_type == "vjepa2" else network
        return Averaged(own, network.config.hidden_size)


FAMILIES: dict[str, type[Transformers]] = {
    "videoprism": VideoPrism,
    "pe_audio_video": PerceptionEncoder,
    "pe_video": PerceptionEncoder,
    "vjepa2": Parts,
    "videomae": Parts,
    "videoprism_vision_model": Parts,
}


def open_transformers(spec: EncoderSpec, folder: Path) -> Transformers:
    """Open an encoder of transformers by the type of model that its files say.

    Raises:
        UserError: nothing is known of that type here, or see `Transformers`.
    """
    config = json.loads((folder / CONFIGS["transformers"]).read_text(encoding="utf-8"))
    kind = str(config.get("model_type"))
    if kind == "xclip":
        raise UserError(f"encoder={spec.name} is an X-CLIP, which is no encoder here: {PAIRWISE}")
    if kind not in FAMILIES:
        raise UserError(
            f"encoder.id={spec.id} is a model of type {kind}, of which nothing is known here; "
            f"known: {', '.join(FAMILIES)}"
        )
    if spec.texts and FAMILIES[kind] is Parts:
        raise UserError(f"encoder.kind={spec.kind}, but a {kind} has no text side: kind=video")
    return FAMILIES[kind](spec, folder)
