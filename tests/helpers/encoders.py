"""Tiny random models of other libraries, saved as folders like those of the hub."""

import json

import torch

from zsvideo.models.encoders.options import EncoderSpec

TINY = {
    "name": "tiny",
    "library": "open_clip",
    "kind": "image-text",
    "id": "test/tiny",
    "frames": 4,
    "sampling": "starts",
    "size": 32,
    "resize": "squash",
    "interpolation": "bilinear",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "licence": "none",
}


def spec(folder, **changes):
    return EncoderSpec(**TINY | {"weights": str(folder)} | changes)


def open_clip_folder(folder, **preprocess):
    """Save an image-text model of open_clip: 32 x 32 pixels, 16 tokens, 24 features."""
    import open_clip
    from safetensors.torch import save_file

    model = {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 32,
            "layers": 2,
            "width": 32,
            "head_width": 16,
            "patch_size": 16,
        },
        "text_cfg": {
            "context_length": 16,
            "vocab_size": 49408,
            "width": 32,
            "heads": 2,
            "layers": 2,
        },
    }
    own = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear"}
    config = {
        "model_cfg": model,
        "preprocess_cfg": own | {"resize_mode": "squash"} | preprocess,
    }
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    network = open_clip.CLIP(**model)
    save_file(network.state_dict(), folder / "open_clip_model.safetensors")
    return folder
