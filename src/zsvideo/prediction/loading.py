"""From a run folder, a checkpoint or an exported folder to a network and what is known of it.

Nothing in a file is executed.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from zsvideo.data.options import ClipSpec, LoaderSpec
from zsvideo.errors import UserError
from zsvideo.evaluation.record import RunRecord, read_record
from zsvideo.models.files import checkpoint_of, hyperparameters
from zsvideo.models.hub import fetched
from zsvideo.models.network import EmbeddingNetwork
from zsvideo.models.weights import import_weights, load_strictly, read_file
from zsvideo.options import parse
from zsvideo.prediction.classes import TrainedOn
from zsvideo.prediction.rejection import NoneOfThese
from zsvideo.semantics.class_texts import ClassTexts, ClassVectorSpec
from zsvideo.semantics.googlenews import EMBEDDED, embedded_file, full_file
from zsvideo.semantics.records import file_hash
from zsvideo.semantics.sentences import sentence_encoder
from zsvideo.semantics.text_vectors import TextEncoder, TextVectors
from zsvideo.semantics.vectors import WordVectors

if TYPE_CHECKING:
    from zsvideo.prediction.model import Model

PARTS = (  # arguments of `EmbeddingNetwork.build`
    "backbone",
    "embedding_dim",
    "dropout",
    "normalize_output",
    "clips_per_pass",
    "mean",
    "std",
    "channels_last",
    "pca",
    "head",
    "encoder",
    "projection",
    "frozen",
)
WEIGHTS, CONFIG = "model.safetensors", "config.json"  # of an exported folder
HUB = "hf://"
AUTHORS = {  # the network of the authors' checkpoints, as in conf/model
    "dropout": 0.05,
    "normalize_output": True,
    "clips_per_pass": 50,
    "mean": [0.43216, 0.394666, 0.37645],  # Sec. 4.4
    "std": [0.22803, 0.22145, 0.216989],
    "channels_last": False,
}
RULES = ("unit_words", "word_rules", "target_length")  # how words become vectors


@dataclass(frozen=True)
class Facts:
    """What is known of a trained model.

    Attributes:
        place: where it was loaded from.
        sha256: of the file of its weights.
        network: the arguments of `EmbeddingNetwork.build`.
        clips: how clips are cut from a video.
        batch: videos at once.
        vectors: the word vectors it was trained with: `file`, `sha256`, and how words are used.
        class_vectors: those that it was trained with, as `TextVectors.describe` says them, and
            where `model` and `descriptions_path` lay then; None for word vectors.
        trained: the classes trained on; None if unknown.
        none_of_these: its threshold; None where it has none.
        protocol: what `protocol.json` holds; empty where it is not there.
    """

    place: str
    sha256: str
    network: Mapping[str, Any]
    clips: ClipSpec
    batch: int
    vectors: Mapping[str, Any]
    class_vectors: Mapping[str, Any] | None
    trained: TrainedOn | None
    none_of_these: NoneOfThese | None
    protocol: Mapping[str, Any]


def read_model(place: str | os.PathLike[str]) -> tuple[EmbeddingNetwork, Facts]:
    """Read a model: a run folder, a checkpoint of it or of the authors, or an exported folder.

    Raises:
        UserError: it is none, or gives no embedding.
    """
    if (name := os.fspath(place)).startswith(HUB):
        network, facts = read_model(on_the_hub(name))
        return network, replace(facts, place=name)
    if (Path(place) / CONFIG).is_file() and (Path(place) / WEIGHTS).is_file():
        from zsvideo.prediction.export import read_export

        return read_export(Path(place))
    file = checkpoint_of(os.fspath(place), "model")
    content = read_file(file, "model")
    run = file.parent.parent
    record = RunRecord.model_validate({"protocol": {}})
    if file.parent.name == "checkpoints":  # else it was taken out of its run
        record = read_record(run, complete=False)
    protocol = record.protocol.plain()
    config = options_of(content) or options_of_run(run)
    if "pytorch-lightning_version" in content:
        state, options = content["state_dict"], hyperparameters(content, file, "model")
        state = {k: v for k, v in state.items() if not k.startswith("centres.")}  # loss=aurl
    else:
        imported = import_weights(content, file, "model")
        state = {f"f_v.{k}": v for k, v in imported.f_v.items()}
        state |= {f"f_s.{k}": v for k, v in imported.f_s.items()}
        options = AUTHORS | {"backbone": imported.backbone}
        options["embedding_dim"] = len(imported.f_s.get("bias", []))
    aligned = options.get("projection") == "none"
    if not aligned and not any(key.startswith(("f_s.", "head.")) for key in state):
        raise UserError(
            f"model={file} holds {options.get('backbone')} with a classifier and no f_s, which "
            "tells no unseen classes apart; train f_s on it: method=baseline "
            f"pretrain.ckpt={file}"
        )
    network = build({key: options[key] for key in PARTS if key in options}, state, file)
    loader, clips = known(config, LoaderSpec, "loader"), known(config, ClipSpec, "clips")
    facts = Facts(
        place=os.fspath(place),
        sha256=file_hash(file),
        network={key: options[key] for key in PARTS if key in options},
        clips=parse(ClipSpec, clips, "clips"),
        batch=parse(LoaderSpec, loader, "loader").test_batch_size,
        vectors=vectors_of(config, protocol),
        class_vectors=class_vectors_of(config, protocol),
        trained=trained_on(protocol),
        none_of_these=threshold_of(record.none_of_these),
        protocol=protocol,
    )
    return network, facts


def on_the_hub(name: str) -> Path:
    """Fetch an exported folder from the hub, or find it in the cache; raises UserError."""
    try:
        folder = fetched(name.removeprefix(HUB), [WEIGHTS, CONFIG])
    except UserError as error:
        raise UserError(f"{HUB}{error}") from None
    if missing := [own for own in (WEIGHTS, CONFIG) if not (folder / own).is_file()]:
        raise UserError(f"{name} holds no {missing[0]}, so it is no model of `zsvideo export`")
    return folder


def known(config: Mapping[str, Any], group: type, name: str) -> dict[str, Any]:
    """Choose the options of a group that there still are; runs of earlier versions have more."""
    values = config.get(name) or {}
    return {field.name: values[field.name] for field in fields(group) if field.name in values}


def build(options: Mapping[str, Any], state: Mapping[str, Any], file: Path) -> EmbeddingNetwork:
    """Make the network with its weights, ready to embed; raises UserError where they do not fit."""
    network = EmbeddingNetwork()
    try:
        network.build(**options)
    except (TypeError, ValueError) as error:
        raise UserError(f"model={file} is no model of this project ({error})") from None
    load_strictly(network, dict(state), file, "model")
    return network.eval()


def options_of(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options of the run that wrote a checkpoint; empty where it does not say them."""
    states = checkpoint.get("callbacks") or {}
    options: dict[str, Any] = (states.get("Interruption") or {}).get("config") or {}
    return options


def options_of_run(run: Path) -> dict[str, Any]:
    """Read the composed options of a run folder that are plain; empty where it has none."""
    try:
        content = yaml.safe_load((run / ".hydra" / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return {key: content[key] for key in ("clips", "loader") if key in content}


def vectors_of(config: Mapping[str, Any], protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Say which word vectors a model was trained with, and where they lay then."""
    options = config.get("semantics") or {}
    known = protocol.get("vectors") or {}
    facts = {key: known.get(key, options.get(key)) for key in ("file", "sha256", *RULES)}
    facts["path"] = options.get("path")
    return {key: value for key, value in facts.items() if value is not None}


def class_vectors_of(
    config: Mapping[str, Any], protocol: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Say of which texts, by which encoder, class vectors were made; None for word vectors."""
    options = config.get("class_vectors") or {}
    described = dict(protocol.get("class_vectors") or {})
    if options.get("kind", "words") == "words" and not described:
        return None
    if not described:  # a checkpoint that was taken out of its run
        spec: ClassVectorSpec = parse(ClassVectorSpec, options, "class_vectors")
        described = {"kind": spec.kind, "prompts": list(spec.templates), "encoder": {}}
    places = {"model": options.get("model"), "descriptions_path": options.get("descriptions")}
    return described | {key: place for key, place in places.items() if place}


def trained_on(protocol: Mapping[str, Any]) -> TrainedOn | None:
    """Give the classes that a model was trained on; None if unknown."""
    names, source = protocol.get("trained_classes"), protocol.get("source")
    if not names or not source:
        return None
    return TrainedOn(source["dataset"], source.get("table"), tuple(names))


def threshold_of(entry: Mapping[str, Any] | None) -> NoneOfThese | None:
    """Make the threshold that a record or an exported model holds; None where it has none."""
    return NoneOfThese(**entry) if entry else None


def vectors_of_training(facts: Facts, given: str | None, cache: Path, oov: str) -> WordVectors:
    """Find the word vectors that a model was trained with.

    Args:
        facts: of the model.
        given: their file, where the user names it.
        cache: folder for class vectors.
        oov: see `WordVectors`.

    Raises:
        UserError: they are not there, or the file holds others.
    """
    known = facts.vectors
    path: Path | None
    if given is not None:
        path = Path(given).expanduser()
        if not path.is_file():
            raise UserError(f"there is no file of word vectors at {given} (--vectors)")
    elif known.get("file") == EMBEDDED:
        path = embedded_file()
    else:
        written = Path(str(known.get("path") or ""))
        data = Path(os.environ.get("DATA_ROOT", "data"))
        path = written if written.is_file() else full_file(data)
    if path is None or not path.is_file():
        raise UserError(
            f"{facts.place} was trained with the word vectors {known.get('file', 'GoogleNews')}, "
            "which are not there; give their file: --vectors FILE"
        )
    rules = {key: known[key] for key in RULES if key in known}
    vectors = WordVectors(str(path), str(cache), oov=oov, **rules)
    if known.get("sha256") and vectors.sha256 != known["sha256"]:
        raise UserError(
            f"{facts.place} was trained with other word vectors ({known.get('file')}) than {path}; "
            "give their file: --vectors FILE"
        )
    return vectors


def text_vectors_of_training(
    facts: Facts,
    given: str | None,
    cache: Path,
    encode: Callable[[Sequence[str]], np.ndarray] | None = None,
) -> tuple[TextVectors, list[str]] | None:
    """Find what made the class vectors of a model's training from texts; None for word vectors.

    Args:
        facts: of the model.
        given: the model of sentences, where the user names it.
        cache: folder for class vectors.
        encode: text side of the model's own encoder; None without.

    Returns:
        Also lines on what is not there, for the user.

    Raises:
        UserError: the encoder is not there, or is another.
    """
    if (known := facts.class_vectors) is None:
        return None
    texts, warnings = ClassTexts(tuple(known["prompts"])), []
    if name := known.get("descriptions"):
        spec = ClassVectorSpec(
            kind="text",
            prompts=list(known["prompts"]),
            descriptions=known.get("descriptions_path"),
        )
        with suppress(UserError):
            texts = ClassTexts.read(spec)
        if texts.hashes["descriptions_sha256"] != known["descriptions_sha256"]:
            texts = ClassTexts(tuple(known["prompts"]))
            warnings.append(
                f"trained with the class descriptions {name}, which are not there: names without "
                "texts of their own are put in the prompts"
            )
    encoder = text_encoder_of(facts, given, encode)
    there, here = known["encoder"].get("sha256"), encoder.facts.get("sha256")
    if there and there != here:
        raise UserError(
            f"{facts.place} was trained with class vectors by {known['encoder'].get('id')}, whose "
            "weights are others than those here; give its folder: --vectors FOLDER"
        )
    return TextVectors(known["kind"], texts, encoder, cache.expanduser()), warnings


def text_encoder_of(
    facts: Facts, given: str | None, encode: Callable[[Sequence[str]], np.ndarray] | None
) -> TextEncoder:
    """Open what encodes the texts of a model's classes; see `text_vectors_of_training`."""
    known = facts.class_vectors or {}
    if known["kind"] != "sentences":
        if encode is None:
            raise UserError(f"{facts.place} has no text side for class_vectors={known['kind']}")
        return TextEncoder(encode, known["encoder"])
    encoder = known["encoder"]
    model = given or known.get("model") or encoder.get("id")
    try:
        return sentence_encoder(str(model), None if given else encoder.get("revision"))
    except UserError as error:
        raise UserError(
            f"{facts.place} was trained with class vectors by the model of sentences "
            f"{encoder.get('id') or model}; name it or its folder: --vectors FOLDER ({error})"
        ) from None


def open_model_at(
    place: str | os.PathLike[str] | None,
    device: str,
    batch: int | None,
    workers: int,
    vectors: str | os.PathLike[str] | None,
    cache: str | os.PathLike[str] | None,
    encoder: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    prompts: str | Sequence[str] = "one",
) -> "Model":
    """Load a model; see `zsvideo.load`."""
    import torch

    from zsvideo.prediction.model import Model

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={device} cannot be used: {str(error).splitlines()[0]}") from None
    for name, value, least in (("batch", batch, 1), ("workers", workers, 0)):
        if value is not None and value < least:
            raise UserError(f"{name}={value} must be a whole number, at least {least}")
    if (place is None) == (encoder is None):
        raise UserError("give either a model (a run folder, a checkpoint, ...) or an encoder")
    if place is not None:
        network, facts = read_model(place)
    else:
        from zsvideo.prediction.encoders import read_encoder

        folder = None if weights is None else os.fspath(weights)
        network, facts = read_encoder(str(encoder), folder, prompts)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zsvideo"
    return Model(
        network,
        facts,
        device,
        batch or facts.batch,
        workers,
        None if vectors is None else os.fspath(vectors),
        home if cache is None else Path(cache),
    )
