"""A model to share: safetensors, a config and a model card, in the layout of the Hugging Face hub.

`zsvideo.load` reads the folder, and with a network `hf://USER/NAME`.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zsvideo.data.options import ClipSpec
from zsvideo.errors import UserError
from zsvideo.models.network import EmbeddingNetwork
from zsvideo.models.safetensors import read_safetensors, write_safetensors
from zsvideo.names import legible
from zsvideo.options import parse, plain
from zsvideo.prediction.classes import TrainedOn
from zsvideo.prediction.loading import CONFIG, WEIGHTS, Facts, build, threshold_of
from zsvideo.semantics.googlenews import EMBEDDED
from zsvideo.texts import in_markdown

FORMAT = "zsvideo.model/1"
CARD = "README.md"
ONNX = ("f_v.onnx", "f_s.onnx")
FOLDERS = re.compile(r"(?<=[|;,] )/(?:\\.|[^\\|;,\n])*/|(?<![^\s(])~?/[^\s|;,)]*/")  # of files


def export(network: EmbeddingNetwork, facts: Facts, folder: Path, onnx: bool = False) -> list[Path]:
    """Write a model to a folder; gives the files.

    Args:
        network: with its weights.
        facts: what is known of it.
        folder: where to.
        onnx: write `f_v.onnx` and `f_s.onnx` too; see `zsvideo.prediction.onnx`.

    Raises:
        UserError: there is something else in the folder, or it cannot be written.
    """
    files = [folder / name for name in (WEIGHTS, CONFIG, CARD)]
    own = {*ONNX, *(file.name for file in files)}
    if folder.is_dir() and (others := {f.name for f in folder.iterdir()} - own):
        raise UserError(f"{folder} holds other files, such as {min(others)}; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_safetensors(files[0], network.state_dict(), {"format": "pt"})
        config = json.dumps(config_of(facts), indent=1, ensure_ascii=False)
        files[1].write_text(legible(config) + "\n", encoding="utf-8")
        files[2].write_text(legible(card_of(facts)), encoding="utf-8")
        if onnx:
            from zsvideo.prediction.onnx import export_onnx

            files += export_onnx(network, facts.clips, folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror})") from None
    return files


def config_of(facts: Facts) -> dict[str, Any]:
    """Give what is known of a model as plain data, without places on this machine."""
    trained, none = facts.trained, facts.none_of_these
    return {
        "format": FORMAT,
        "library_name": "zsvideo",
        "checkpoint_sha256": facts.sha256,
        "network": without_folder(facts.network),
        "clips": plain(facts.clips),
        "batch": facts.batch,
        "vectors": {key: value for key, value in facts.vectors.items() if key != "path"},
        **({} if facts.class_vectors is None else {"class_vectors": shared(facts.class_vectors)}),
        "trained_on": trained and asdict(trained),
        "none_of_these": none and none.plain(),
    }


def shared(class_vectors: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out where a model of sentences or descriptions lay."""
    places = ("model", "descriptions_path")
    return {key: value for key, value in class_vectors.items() if key not in places}


def without_folder(network: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out where an encoder of another library lay; it is on the hub, known by its hash."""
    own = dict(network)
    if encoder := own.get("encoder"):
        own["encoder"] = {**encoder, "weights": None}
    return own


def read_export(folder: Path) -> tuple[EmbeddingNetwork, Facts]:
    """Read an exported folder.

    Raises:
        UserError: it is none, or damaged.
    """
    file = folder / CONFIG
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        if config["format"] != FORMAT:
            raise UserError(f"{file} is of another version ({config['format']}; known: {FORMAT})")
        trained = config["trained_on"]
        facts = Facts(
            place=os.fspath(folder),
            sha256=config["checkpoint_sha256"],
            network=config["network"],
            clips=parse(ClipSpec, config["clips"], "clips"),
            batch=int(config["batch"]),
            vectors=config["vectors"],
            class_vectors=config.get("class_vectors"),
            trained=trained
            and TrainedOn(trained["dataset"], trained["table"], tuple(trained["names"])),
            none_of_these=threshold_of(config.get("none_of_these")),
            protocol={},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is no config of an exported model ({error!r})") from None
    return build(facts.network, read_safetensors(folder / WEIGHTS), folder / WEIGHTS), facts


def card_of(facts: Facts) -> str:
    """Write the model card: what it is and how it is used, then the protocol card of its run.

    Of a file on this machine it has the name alone.
    """
    run = Path(facts.place)
    run = run if run.is_dir() else run.parent.parent
    card = run / "card.md"
    name = run.resolve().name
    known = "classes that are not known"
    if facts.trained is not None:
        known = f"{len(facts.trained.names)} classes of {facts.trained.dataset}"
    own = (
        FOLDERS.sub("", card.read_text(encoding="utf-8"))
        if card.is_file()
        else "No protocol card lies beside the checkpoint: what was kept out of training, and what "
        "leaks, is not known.\n"
    )
    return f"""---
library_name: zsvideo
pipeline_tag: video-classification
tags: [zero-shot, video-classification]
---

# {in_markdown(name)}

A video network ({facts.network["backbone"]}) that maps a video to the vector of its class
name, trained on {in_markdown(known)}, with zsvideo (after Brattoli et al., CVPR 2020).
It answers videos with any class names.

```python
import zsvideo

model = zsvideo.load("FOLDER")  # this folder, or hf://USER/NAME
for video in model.predict("videos/", ["pour tea", "climb a ladder"]):
    print(video.path, video.top[0].name, video.top[0].score, video.none_of_these)
```

{vectors_line(facts)}

{none_line(facts)}

{own}"""


def vectors_line(facts: Facts) -> str:
    """Say what class vectors are made with, and how to get it."""
    if (made := facts.class_vectors) is not None:
        encoder = made["encoder"]
        prompts = "; ".join(made["prompts"])
        described = f", or {made['descriptions']} where it has the class" * bool(
            made.get("descriptions")
        )
        return (
            f"Class vectors: texts ({in_markdown(prompts)}{in_markdown(described)}) by "
            f"{in_markdown(str(encoder.get('id', 'unknown')))}, revision "
            f"{encoder.get('revision') or 'not recorded'} (sha256 "
            f"{encoder.get('sha256', 'unknown')}), which is not part of this folder; it is found "
            "by that name on the Hugging Face hub, or given by --vectors FOLDER."
        )
    vectors = facts.vectors.get("file", "unknown")
    how = "found in a package" if vectors == EMBEDDED else "to be given by --vectors FILE"
    return (
        f"Word vectors: {in_markdown(vectors)} (sha256 {facts.vectors.get('sha256', 'unknown')}), "
        f"{how}; they are not part of this folder."
    )


def none_line(facts: Facts) -> str:
    """Say what the threshold is worth."""
    if (none := facts.none_of_these) is None:
        return "It has no threshold, so it never says that none of the names fits."
    measured = [
        f"on {name}, which had no part in the fit, it turned away {m['turned_away']:.0%} and let "
        f"{m['let_through']:.0%} through (AUROC {m['auroc']:.2f})"
        for name, m in none.targets.items()
    ]
    return (
        f"None of these is said below cosine {none.threshold:.3f}, fitted on {none.videos} "
        f"{none.fitted_on} ({none.classes} classes): it turned away {none.turned_away:.0%} of "
        f"videos whose class was listed and let {none.let_through:.0%} of the others through "
        f"(AUROC {none.auroc:.2f}){''.join('; ' + line for line in measured)}."
    )
