"""Published weights, where a folder has them: ENCODERS=FOLDER holds one folder an encoder.

`ENCODERS=weights pytest tests/models/encoders/test_real_weights.py` checks weights/clip_b16 and
whatever else is there; without the variable nothing is checked.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zsvideo.data.options import ClipSpec
from zsvideo.data.transforms import Crop, View
from zsvideo.models.encoders import open_encoder
from zsvideo.models.encoders.parity import fixed_frames, normalised, parity_of
from zsvideo.options import plain
from zsvideo.prediction.encoders import encoder_spec

FOLDER = Path(os.environ.get("ENCODERS", "/nowhere"))
NAMES = sorted(folder.name for folder in FOLDER.iterdir()) if FOLDER.is_dir() else []
TEXTS = ["a video of archery.", "a video of a dog."]


@pytest.mark.slow
@pytest.mark.skipif(not NAMES, reason="no ENCODERS=FOLDER with real weights")
@pytest.mark.parametrize("name", NAMES)
def test_an_encoder_with_its_published_weights(name):
    values = plain(encoder_spec(name)) | {"weights": str(FOLDER / name)}
    encoder = open_encoder(type(encoder_spec(name))(**values))
    spec = encoder.spec
    assert len(parity_of(encoder)) == (10 if spec.texts else 1)
    frames = fixed_frames(spec.frames, 300, 400)
    view = View.of(spec.clips(ClipSpec()), Crop())
    pixels = np.stack([view.part(300, 400).of(frame) for frame in frames])
    with torch.inference_mode():
        own = encoder.vision(normalised(pixels, spec.mean, spec.std))
    assert own.shape == (1, encoder.vision.feature_dim) and own.isfinite().all()
    if spec.library != "open_clip":  # the others were compared when the encoder was opened
        return
    import open_clip

    place = f"local-dir:{FOLDER / name}"
    theirs, _, preprocess = open_clip.create_model_and_transforms(place)
    theirs.eval()
    with torch.inference_mode():
        images = torch.stack([preprocess(Image.fromarray(frame)) for frame in frames])
        expected = theirs.encode_image(images, normalize=True).mean(dim=0, keepdim=True)
        texts = theirs.encode_text(open_clip.get_tokenizer(place)(TEXTS), normalize=True)
    assert torch.cosine_similarity(own, expected).item() > 0.9999
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), texts.numpy(), atol=1e-4)
