"""An encoder of another library, as it is, for own videos and own class names."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from zsvideo.data.options import ClipSpec, LoaderSpec
from zsvideo.errors import UserError
from zsvideo.models.encoders import EncoderSpec, open_encoder
from zsvideo.models.network import EmbeddingNetwork
from zsvideo.options import parse, plain
from zsvideo.prediction.loading import Facts
from zsvideo.resources import CONF
from zsvideo.semantics.class_texts import ClassTexts, ClassVectorSpec

FOLDER = CONF / "encoder"


def read_encoder(
    name: str, weights: str | None = None, prompts: Any = "one"
) -> tuple[EmbeddingNetwork, Facts]:
    """Open an encoder to compare videos with texts of classes.

    Args:
        name: of a file of `conf/encoder`, or the path of one like these.
        weights: folder with its files; None takes them from the hub, or its cache.
        prompts: see `ClassVectorSpec.prompts`.

    Raises:
        UserError: there is no such encoder, it has no text side, or it cannot be opened.
    """
    spec = encoder_spec(name)
    if not spec.texts:
        raise UserError(f"encoder={name} has no text side; train f_s or a head on its features")
    own = ClassVectorSpec(kind="text", prompts=parse_prompts(prompts))
    encoder = open_encoder(replace(spec, weights=weights or spec.weights))
    spec, size = encoder.spec, encoder.vision.text_dim
    parts: dict[str, Any] = {
        "backbone": spec.name,
        "embedding_dim": size,
        "dropout": 0.0,
        "normalize_output": True,
        "clips_per_pass": 50,
        "mean": spec.mean,
        "std": spec.std,
        "projection": "none",
        "frozen": True,
    }
    network = EmbeddingNetwork()
    network.build(**parts, encoder=encoder)
    texts = ClassTexts.read(own)
    facts = Facts(
        place=spec.name,
        sha256=str(spec.sha256),
        network=parts | {"encoder": plain(spec)},
        clips=spec.clips(ClipSpec()),
        batch=LoaderSpec().test_batch_size,
        vectors={},
        class_vectors={"kind": "text", **texts.hashes, "encoder": encoder.facts()},
        trained=None,
        none_of_these=None,
        protocol={},
    )
    return network.eval(), facts


def parse_prompts(prompts: Any) -> Any:
    """Take one text with `{}` as a list of it."""
    return [prompts] if isinstance(prompts, str) and "{}" in prompts else prompts


def encoder_spec(name: str) -> EncoderSpec:
    """Read the options of an encoder without composing a whole config; raises UserError."""
    file = Path(name).expanduser() if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    if not file.is_file():
        names = sorted(file.stem for file in FOLDER.glob("*.yaml"))
        raise UserError(
            f"encoder={name} is unknown; allowed: {', '.join(names)}, or an own file (.yaml)"
        )
    try:
        values: Any = OmegaConf.to_container(encoder_values(file), resolve=True)
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"encoder={file} cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise UserError(f"encoder={file} holds no options of an encoder")
    spec: EncoderSpec = parse(EncoderSpec, values, "encoder")
    return spec


def encoder_values(file: Path) -> Any:
    """Merge a file of the group `encoder` with those that it is based on."""
    content: Any = OmegaConf.load(file)
    bases = [base for base in content.get("defaults", ()) if isinstance(base, str)]
    files = [f"{base.partition('@')[0]}.yaml" for base in bases if base != "_self_"]
    own = content.encoder if file.parent.name == "base" else content  # these are of all groups
    own.pop("defaults", None)
    return OmegaConf.merge(*(encoder_values(file.parent / base) for base in files), own)
