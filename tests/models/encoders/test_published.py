"""Real weights, where a folder with them is given: features are those of the library's own example.

`ENCODER_WEIGHTS=FOLDER ENCODER=clip_b16 python -m pytest tests/models/encoders -k published`
"""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from zsvideo.data.options import ClipSpec
from zsvideo.data.transforms import Crop, View
from zsvideo.models.encoders import open_encoder
from zsvideo.models.encoders.options import EncoderSpec
from zsvideo.models.encoders.parity import fixed_frames, normalised, parity_of
from zsvideo.options import parse, plain
from zsvideo.prediction.encoders import encoder_spec

FOLDER = os.environ.get("ENCODER_WEIGHTS")
TEXTS = ["a diagram", "a dog", "a cat"]


@pytest.mark.slow
@pytest.mark.skipif(FOLDER is None, reason="ENCODER_WEIGHTS names no folder with real weights")
def test_published_weights_give_what_their_library_says():
    known = plain(encoder_spec(os.environ.get("ENCODER", "clip_b16")))
    spec = parse(EncoderSpec, known | {"weights": FOLDER}, "encoder")
    encoder = open_encoder(spec)  # one of transformers is compared with its own processor here
    assert len(parity_of(encoder)) == (10 if spec.texts else 1)
    frames = fixed_frames(spec.frames, 300, 400)
    view = View.of(spec.clips(ClipSpec()), Crop())
    pixels = np.stack([view.part(300, 400).of(frame) for frame in frames])
    with torch.inference_mode():
        own = encoder.vision(normalised(pixels, spec.mean, spec.std))
    assert own.shape == (1, encoder.vision.feature_dim) and own.isfinite().all()
    if spec.library != "open_clip":
        return
    open_clip = pytest.importorskip("open_clip")
    theirs, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{FOLDER}")
    tokens = open_clip.get_tokenizer(f"local-dir:{FOLDER}")
    with torch.inference_mode():
        pictures = torch.stack([preprocess(Image.fromarray(frame)) for frame in frames])
        images = theirs.eval().encode_image(pictures, normalize=True)
        words = theirs.encode_text(tokens(TEXTS), normalize=True)
    torch.testing.assert_close(own, images.mean(dim=0, keepdim=True), atol=1e-5, rtol=0)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), words.numpy(), atol=1e-5)
