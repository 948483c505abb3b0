"""Image-text encoders of open_clip: CLIP, SigLIP 2, PE-Core, DFN, MobileCLIP 2.

Shapes: K texts, L tokens, F features.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
from torch import Tensor

from zsvideo.errors import UserError
from zsvideo.models.encoders.base import Encoder, Pictures
from zsvideo.models.encoders.hub import CONFIGS, DAMAGE
from zsvideo.models.encoders.options import EncoderSpec


@contextmanager
def silence() -> Iterator[None]:
    """Leave out the ten lines that the library logs, as the root, of each model that it opens."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class OpenClip(Encoder):
    """An encoder of open_clip, from a folder with its `open_clip_config.json` and weights."""

    version = open_clip.__version__

    def __init__(self, spec: EncoderSpec, folder: Path) -> None:
        """Open it; raises UserError where the files are damaged or say another input."""
        super().__init__(spec)
        place = f"local-dir:{folder}"
        try:
            with silence():
                self.network: Any = open_clip.create_model(
                    place, precision="fp32", pretrained_text=False, require_pretrained=True
                )
                self.tokenizer: Any = open_clip.get_tokenizer(place)
        except DAMAGE as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise UserError(f"encoder={spec.name} in {folder} is damaged: {lines[0]}") from None
        self.check_input()
        config = json.loads((folder / CONFIGS["open_clip"]).read_text(encoding="utf-8"))
        self.vision = Pictures(self.network.visual, int(config["model_cfg"]["embed_dim"]))
        self.scale = float(self.network.logit_scale.detach().exp())
        self.padding = int(self.tokenizer([""])[0, -1])

    def check_input(self) -> None:
        """Check that the options say the input that the weights are made for; raises UserError."""
        own, spec = open_clip.get_model_preprocess_cfg(self.network), self.spec
        sides = own["size"] if isinstance(own["size"], (list, tuple)) else [own["size"]] * 2
        theirs = {
            "size": sides[0] if len(set(sides)) == 1 else tuple(sides),
            "resize": own["resize_mode"],
            "interpolation": own["interpolation"],
            "mean": [round(float(value), 4) for value in own["mean"]],
            "std": [round(float(value), 4) for value in own["std"]],
        }
        for key, value in theirs.items():
            mine = getattr(spec, key)
            if ([round(v, 4) for v in mine] if isinstance(mine, list) else mine) != value:
                raise UserError(
                    f"encoder.{key}={mine} is not the input of {spec.id}, whose files say {value}"
                )

    def embed_texts(self, texts: list[str]) -> tuple[Tensor, int]:
        """Embed some texts: (K, F), and how many fill the L tokens."""
        tokens = self.tokenizer(texts).to(next(self.network.parameters()).device)
        full = int((tokens[:, -1] != self.padding).sum())
        return self.network.encode_text(tokens), full
