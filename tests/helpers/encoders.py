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


VIDEO = {  # a tiny model of each type, and what it reads
    "videoprism": {
        "kind": "video-text",
        "frames": 4,
        "interpolation": "bicubic",
        "mean": [0.0] * 3,
        "std": [1.0] * 3,
    },
    "pe_video": {"kind": "video-text", "frames": 4, "sampling": "ends"},
    "xclip": {"kind": "video-text", "frames": 4, "sampling": "middles", "resize": "shortest"},
    "vjepa2": {
        "kind": "video",
        "frames": 4,
        "short_side": 36,
        "resize": "shortest",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    },
    "videomae": {"kind": "video", "frames": 4, "resize": "shortest"},
    "videoprism_vision_model": {
        "kind": "video",
        "frames": 4,
        "interpolation": "bicubic",
        "mean": [0.0] * 3,
        "std": [1.0] * 3,
    },
}
LAYERS = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}


def video_spec(folder, family, **changes):
    return spec(folder, library="transformers", name=family, **VIDEO[family] | changes)


def video_folder(folder, family):
    """Save a video encoder of transformers: clips of 4 x 32 x 32, 24 features, a few words."""
    import transformers as hf

    size = {"image_size": 32, "num_frames": 4}
    prism = {**size, **LAYERS, "num_spatial_layers": 1, "num_temporal_layers": 1}
    prism |= {"num_auxiliary_layers": 1, "tubelet_size": [1, 16, 16]}
    words = {"vocab_size": 64, "pad_token_id": 0}
    torch.manual_seed(0)
    if family == "videoprism":
        texts = LAYERS | words | {"max_position_embeddings": 8}
        config = hf.VideoPrismConfig(vision_config=prism, text_config=texts)
        network = hf.VideoPrismClipModel(config)
    elif family == "videoprism_vision_model":
        network = hf.VideoPrismVisionModel(hf.VideoPrismVisionConfig(**prism))
    elif family == "pe_video":
        texts = {"model_type": "modernbert", **LAYERS, **words, "max_position_embeddings": 8}
        texts |= {"bos_token_id": 1, "eos_token_id": 1, "cls_token_id": 1, "sep_token_id": 1}
        images = {
            "model_type": "timm_wrapper",
            "architecture": "vit_tiny_patch16_224",
            "num_classes": 16,
            "model_args": {"img_size": 32, "embed_dim": 24, "depth": 1, "num_heads": 2},
        }
        video = {**LAYERS, "head_dim": 12, "vision_config": images}
        network = hf.PeVideoModel(hf.PeVideoConfig(text_config=texts, video_config=video))
    elif family == "xclip":
        texts = LAYERS | words | {"max_position_embeddings": 8}
        images = {**size, **LAYERS, "patch_size": 16, "mit_hidden_size": 24}
        images |= {"mit_intermediate_size": 32, "mit_num_attention_heads": 2}
        prompts = {"prompt_layers": 2, "prompt_num_attention_heads": 2, "prompt_alpha": 0.5}
        network = hf.XCLIPModel(
            hf.XCLIPConfig(text_config=texts, vision_config=images, projection_dim=24, **prompts)
        )
    elif family == "vjepa2":
        network = hf.VJEPA2Model(
            hf.VJEPA2Config(
                crop_size=32,
                frames_per_clip=4,
                hidden_size=24,
                num_attention_heads=2,
                num_hidden_layers=1,
                pred_hidden_size=24,
                pred_num_attention_heads=2,
                pred_num_hidden_layers=1,
            )
        )
    else:
        network = hf.VideoMAEModel(hf.VideoMAEConfig(**size, **LAYERS))
    with torch.no_grad():  # some models begin with weights of 0
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    network.save_pretrained(folder)
    if VIDEO[family]["kind"] != "video":
        tokenizer(hf, ends=family == "xclip").save_pretrained(folder)
    if processor := processor_of(hf, family):
        processor.save_pretrained(folder)
    return folder


def tokenizer(hf, ends=False):
    """Make a tokenizer of single letters; as CLIP's the highest number ends a text, if it does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    letters = {"[PAD]": 0, "[CLS]": 1, "[UNK]": 2}
    letters |= {letter: n + 3 for n, letter in enumerate("abcdefghijklmnopqrstuvwxyz ")}
    letters |= {"[END]": len(letters)}
    own = Tokenizer(models.WordLevel(letters, unk_token="[UNK]"))
    own.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    own.post_processor = processors.TemplateProcessing(
        single="[CLS] $A" + " [END]" * ends,
        special_tokens=[(one, letters[one]) for one in ("[CLS]", "[END]")],
    )
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=own,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        model_max_length=8,
    )


def processor_of(hf, family):
    """Make the library's own processor of what a model reads; None where it has no default."""
    if family == "xclip":
        size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
        return hf.VideoMAEImageProcessor(**size, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    if family == "vjepa2":
        return hf.VJEPA2VideoProcessor(crop_size=32)
    if family == "videomae":
        return hf.VideoMAEVideoProcessor(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        )
    if family == "pe_video":
        return hf.PeVideoVideoProcessor(
            size={"height": 32, "width": 32},
            image_mean=[0.5] * 3,
            image_std=[0.5] * 3,
            do_resize=True,
            do_rescale=True,
            do_normalize=True,
            do_sample_frames=True,
            num_frames=4,
        )
    if family == "videoprism":
        return hf.LlavaOnevisionVideoProcessor(
            size={"height": 32, "width": 32}, do_normalize=False, do_sample_frames=True
        )
    return None
