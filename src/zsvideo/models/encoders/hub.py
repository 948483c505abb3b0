"""The files of an encoder: a folder, or a repository of the Hugging Face hub in its cache."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from zsvideo.errors import UserError
from zsvideo.models.encoders.options import EncoderSpec
from zsvideo.models.hub import fetched

CONFIGS = {"open_clip": "open_clip_config.json", "transformers": "config.json"}
TEXTS = ["*.json", "*.txt", "*.model"]
WEIGHTS = {"open_clip": "open_clip_*.safetensors", "transformers": "*.safetensors"}
OLDER = "open_clip_*.bin"  # only where a repository has no other
REMOTE_CODE = {  # known to run code of their own; so does any whose config says `auto_map`
    "OpenGVLab/InternVideo2": "InternVideo2",
    "OpenGVLab/ViCLIP": "ViCLIP",
    "alibaba-pai/VideoCLIP-XL": "VideoCLIP-XL",
    "nvidia/Cosmos-Embed1": "Cosmos-Embed1",
}
DAMAGE = (  # what a library raises where files are not what they should be
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    pickle.UnpicklingError,
    SafetensorError,
)


def with_files(spec: EncoderSpec) -> tuple[EncoderSpec, Path]:
    """Find the folder with the files of an encoder, or fetch it.

    Returns:
        The encoder with its revision, where the hub says which, and the folder.

    Raises:
        UserError: they are not to be had, are of another library, or bring code to run.
    """
    for start, name in REMOTE_CODE.items():
        if spec.id.lower().startswith(start.lower()):
            raise remote_code(spec, name)
    config = CONFIGS[spec.library]
    if spec.weights is not None and spec.sha256 and not Path(spec.weights).expanduser().is_dir():
        spec = replace(spec, weights=None)  # where a run found them; they are known by their hash
    if spec.weights is not None:
        folder = Path(spec.weights).expanduser()
        if not folder.is_dir():
            raise UserError(
                f"encoder.weights={spec.weights} is no folder; give one with the files of "
                f"{spec.id}, or leave it out to take them from the hub"
            )
    else:
        folder = files_of(spec)
        if folder.parent.name == "snapshots":
            spec = replace(spec, revision=folder.name)
    if not (folder / config).is_file():
        where = f"encoder.weights={folder}" if spec.weights else f"encoder.id={spec.id}"
        raise UserError(f"{where} holds no {config}, so it is no encoder of {spec.library}")
    if "auto_map" in read_object(folder / config):
        raise remote_code(spec, spec.id)
    return spec, folder


def read_object(file: Path) -> dict[str, Any]:
    """Read the object that a JSON file holds; raises UserError where it holds none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file} is damaged: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{file} is damaged: it holds no object")
    return content


def files_of(spec: EncoderSpec) -> Path:
    """Fetch the files of an encoder, or find them in the cache; raises UserError."""
    weights = WEIGHTS[spec.library]
    try:
        folder = fetched(spec.id, [*TEXTS, weights], spec.revision)
        if spec.library == "open_clip" and not any(folder.glob(weights)):
            fetched(spec.id, [OLDER], spec.revision)
        return folder
    except UserError as error:
        raise UserError(
            f"encoder={spec.name}: {error}; fetch it elsewhere and give its folder: "
            "encoder.weights=FOLDER"
        ) from None


def remote_code(spec: EncoderSpec, name: str) -> UserError:
    """Say that an encoder is refused since it would run what it brings."""
    return UserError(
        f"encoder.id={spec.id} is refused: {name} runs code that comes with its weights "
        "(trust_remote_code), and nothing that is downloaded is run here"
    )
