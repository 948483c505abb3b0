"""Video encoders of transformers: VideoPrism, PE-AV, X-CLIP; V-JEPA 2, VideoMAE without texts.

Shapes: B batch, C channels, T frames, H W, K texts, L tokens, P parts of a frame, F features,
D numbers of a text.
"""

import contextlib
import io
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
from zsvideo.models.encoders.hub import CONFIGS, DAMAGE, read_object
from zsvideo.models.encoders.options import EncoderSpec
from zsvideo.models.encoders.parity import fixed_frames, normalised

log = logging.getLogger(__name__)
LIBRARY: Any = transformers  # whose types are not complete
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


class Prompted(Vision):
    """X-CLIP's visual side, which changes the texts by what each video shows.

    Features are the vector of a video and those of the P parts of its frames. Their lengths count,
    and that of a text, which rows of unit length have lost: so each ends in a 1, and any multiple
    of a row says the same (homogeneous coordinates).
    """

    pairwise = True

    def __init__(self, network: Any) -> None:
        """Take all of the model, whose texts have D - 1 numbers."""
        seen, self.size = network.config.vision_config, network.projection_dim
        parts = (seen.image_size // seen.patch_size) ** 2
        super().__init__(network, self.size * (1 + parts) + 1, self.size + 1)

    def forward(self, clips: Tensor) -> Tensor:
        """Encode normalised clips: (B, C, T, H, W) to (B, F)."""
        network: Any = self.network
        shape = clips.shape[0], clips.shape[2]
        output = network.vision_model(clips.movedim(2, 1).flatten(0, 1).contiguous())
        frames = network.visual_projection(output.pooler_output).unflatten(0, shape)
        parts = network.prompts_visual_layernorm(output.last_hidden_state[:, 1:])
        parts = (parts @ network.prompts_visual_projection).unflatten(0, shape).mean(dim=1)
        return homogeneous(torch.cat([network.mit(frames).pooler_output, parts.flatten(1)], dim=1))

    def scores(self, features: Tensor, texts: Tensor) -> Tensor:
        """Compare features (B, F) with texts (K, D), as the library does: cosines (B, K)."""
        network: Any = self.network
        rows = torch.unflatten(features[:, :-1] / features[:, -1:], 1, (-1, self.size))
        own = (texts[:, :-1] / texts[:, -1:]).expand(len(rows), -1, -1)
        own = own + network.prompts_generator(own, rows[:, 1:])
        videos = nn.functional.normalize(rows[:, 0], dim=1)
        return torch.einsum("bd,bkd->bk", videos, nn.functional.normalize(own, dim=2))


def homogeneous(rows: Tensor) -> Tensor:
    """Add a 1 to each row (N, D - 1), by which its length is found in any multiple: (N, D)."""
    return torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)


class Transformers(Encoder):
    """An encoder of transformers, from a folder with its `config.json` and weights.

    Attributes:
        padding: whether texts are padded to all that is read of one, or to the longest of a batch.
        processor: the library's class that makes its input of a video.
    """

    version = LIBRARY.__version__
    padding: str | bool = True
    processor: str = "AutoVideoProcessor"

    def __init__(self, spec: EncoderSpec, folder: Path) -> None:
        """Open it; raises UserError where the files are damaged or say another input."""
        super().__init__(spec)
        here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        LIBRARY.utils.logging.disable_progress_bar()
        verbosity = LIBRARY.utils.logging.get_verbosity()
        LIBRARY.utils.logging.set_verbosity_error()  # of its report of many lines one is said here
        try:
            # PE-AV prints faults of the library's own docstrings.
            with contextlib.redirect_stdout(io.StringIO()):
                self.network, loading = LIBRARY.AutoModel.from_pretrained(
                    folder,
                    use_safetensors=True,
                    dtype=torch.float32,
                    output_loading_info=True,
                    ignore_mismatched_sizes=True,
                    **here,
                )
            if missing := sorted(loading["missing_keys"]):
                raise ValueError(f"{len(missing)} weights are missing, such as {missing[0]}")
            if other := sorted(name for name, *_ in loading["mismatched_keys"]):
                raise ValueError(f"{len(other)} weights have other sizes, such as {other[0]}")
            if spec.texts:
                self.tokenizer: Any = LIBRARY.AutoTokenizer.from_pretrained(folder, **here)
                files = sorted({*self.tokenizer.vocab_files_names.values(), "tokenizer.json"})
                if not any((folder / file).is_file() for file in files):  # it would know no word
                    raise ValueError(f"it has no tokenizer: {', '.join(files)}")
        except DAMAGE as error:
            raise damaged(spec, folder, error) from None
        finally:
            LIBRARY.utils.logging.set_verbosity(verbosity)
        self.vision = self.side(self.network)
        self.check_input(folder)

    def side(self, network: Any) -> Vision:
        """Take the visual side of a model."""
        raise NotImplementedError

    def read(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed tokens (K, L) with their mask: (K, D)."""
        raise NotImplementedError

    @property
    def context(self) -> int:
        """The most tokens that are read of a text."""
        config: Any = self.network.config
        room = int(config.text_config.max_position_embeddings)
        return min(int(self.tokenizer.model_max_length), room)

    def embed_texts(self, texts: list[str]) -> tuple[Tensor, int]:
        """Embed some texts: (K, D), and how many fill the L tokens."""
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
        for file in folder.glob("*processor_config.json"):
            read_object(file)
        try:
            processor: Any = getattr(LIBRARY, self.processor).from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            log.info("the files of encoder=%s do not say what it reads: %s", spec.name, error)
            return
        side = spec.short_side or spec.size
        frames = fixed_frames(2, side + side // 4, 2 * side)
        samples = getattr(processor, "do_sample_frames", None)  # one of images does not know it
        how = {} if samples is None else {"do_sample_frames": False}
        try:
            output = processor([frames], return_tensors="pt", **how)
        except DAMAGE as error:
            raise damaged(spec, folder, error) from None
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
        if samples:
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
        """Embed tokens (K, L) with their mask: (K, D)."""
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
        """Embed tokens (K, L) with their mask: (K, D)."""
        hidden = self.pair.text_model(ids, mask, output_hidden_states=True).hidden_states[-1]
        output: Tensor = self.pair.text_video_head(hidden[:, 0])
        return output


class XClip(Transformers):
    """X-CLIP (Ni et al., ECCV 2022)."""

    processor = "VideoMAEImageProcessor"

    def side(self, network: Any) -> Vision:
        """Take the visual side; raises UserError where it reads another number of frames."""
        frames = network.config.vision_config.num_frames
        if frames != self.spec.frames:
            raise UserError(
                f"encoder.frames={self.spec.frames} is not the input of {self.spec.id}, whose "
                f"files say {frames}"
            )
        self.scale = float(network.logit_scale.detach().exp())
        return Prompted(network)

    def read(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed tokens (K, L) with their mask: (K, D), ending in a 1; see `Prompted`."""
        network: Any = self.network
        return homogeneous(network.get_text_features(ids, mask).pooler_output)


class Parts(Transformers):
    """A video encoder without texts: V-JEPA 2, VideoMAE, VideoPrism."""

    def side(self, network: Any) -> Vision:
        """Take the encoder, without what predicts hidden parts."""
        own = network.encoder if network.config.model_type == "vjepa2" else network
        return Averaged(own, network.config.hidden_size)


def damaged(spec: EncoderSpec, folder: Path, error: Exception) -> UserError:
    """Say in a line that files of an encoder are not what they should be."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return UserError(f"encoder={spec.name} in {folder} is damaged: {lines[0]}")


FAMILIES: dict[str, type[Transformers]] = {
    "videoprism": VideoPrism,
    "pe_audio_video": PerceptionEncoder,
    "pe_video": PerceptionEncoder,
    "xclip": XClip,
    "vjepa2": Parts,
    "videomae": Parts,
    "videoprism_vision_model": Parts,
}


def open_transformers(spec: EncoderSpec, folder: Path) -> Transformers:
    """Open an encoder of transformers by the type of model that its files say.

    Raises:
        UserError: nothing is known of that type here, or see `Transformers`.
    """
    kind = str(read_object(folder / CONFIGS["transformers"]).get("model_type"))
    if kind not in FAMILIES:
        raise UserError(
            f"encoder.id={spec.id} is a model of type {kind}, of which nothing is known here; "
            f"known: {', '.join(FAMILIES)}"
        )
    if spec.texts and FAMILIES[kind] is Parts:
        raise UserError(f"encoder.kind={spec.kind}, but a {kind} has no text side: kind=video")
    return FAMILIES[kind](spec, folder)
