"""Real weights, where a folder with them is given: features are those of the library's own example.

`ENCODER_WEIGHTS=FOLDER ENCODER=clip_b16 python -m pytest tests/models/encoders -k published`
"""

import os

import numpy as np
import pytest
import torch

from zsvideo.models.encoders import open_encoder
from zsvideo.models.encoders.options import EncoderSpec
from zsvideo.options import parse, plain
from zsvideo.prediction.encoders import encoder_spec

FOLDER = os.environ.get("ENCODER_WEIGHTS")


@pytest.mark.slow
@pytest.mark.skipif(FOLDER is None, reason="ENCODER_WEIGHTS names no folder with real weights")
def test_published_weights_give_what_their_library_says():
    open_clip = pytest.importorskip("open_clip")
    from PIL import Image

    known = plain(encoder_spec(os.environ.get("ENCODER", "clip_b16")))
    spec = parse(EncoderSpec, known | {"weights": FOLDER}, "encoder")
    encoder = open_encoder(spec)
    theirs, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{FOLDER}")
    tokens = open_clip.get_tokenizer(f"local-dir:{FOLDER}")
    texts = ["a diagram", "a dog", "a cat"]
    ramp = np.linspace(0, 255, 240 * 320 * 3).reshape(240, 320, 3).astype(np.uint8)
    picture = preprocess(Image.fromarray(ramp))[None]
    with torch.inference_mode():
        image = theirs.eval().encode_image(picture, normalize=True)
        own = encoder.vision(picture[:, :, None])
        words = theirs.encode_text(tokens(texts), normalize=True)
    torch.testing.assert_close(own, image, atol=1e-5, rtol=0)
    np.testing.assert_allclose(encoder.encode_texts(texts), words.numpy(), atol=1e-5)
