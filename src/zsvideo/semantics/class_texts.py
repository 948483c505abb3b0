"""Class names and what is written of them as texts that an encoder of texts reads.

The texts of a class are its descriptions, where a file has some, else the prompts; `{}` in either
stands for its name in words.
"""

import csv
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from zsvideo.errors import UserError
from zsvideo.names import encoded, one_form
from zsvideo.options import Text, options
from zsvideo.semantics.words import plain_name

NAME = "{}"  # in a prompt or a description
HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
ONE = "a video of {}."
USUAL = tuple(  # of CLIP for Kinetics (Radford et al., 2021), its spelling of `example` too
    f"a {what} of {whom}."
    for what in ("photo", "video", "example", "demonstration")
    for whom in (
        "{}",
        "a person {}",
        *(f"a person {how} {{}}" for how in ("using", "doing", "during", "performing")),
        "a person practicing {}",
    )
)
FILES = (".txt", ".csv", ".json")
PROMPTS = {"none": (NAME,), "one": (ONE,), "usual": USUAL}
Classes = Mapping[str, Sequence[str]] | Sequence[str] | str | os.PathLike[str]


def templates(value: Any) -> Any:
    """Check prompts, a name of some or a list of templates; raises ValueError."""
    if isinstance(value, str) and value in PROMPTS:
        return value
    if not isinstance(value, list) or not value or not all(NAME in str(one) for one in value):
        raise ValueError(
            f"must be {', '.join(PROMPTS)}, or a list of texts with {NAME} where the name of the "
            f'class stands: ["{ONE}"]'
        )
    return value


@options
class ClassVectorSpec:
    """What makes the class vectors that are learned and scored; the split stays with `semantics`.

    Each is the mean, scaled to unit length, of the unit vectors of the texts of its class.
    """

    group: ClassVar[str] = "class_vectors"

    kind: Literal["words", "text", "sentences"] = "words"
    """Word vectors as `semantics` says; `text`, by the text side of the `encoder`; `sentences`, by
    an encoder of sentences (`pip install 'zsvideo[sentences]'`)."""
    prompts: Annotated[str | list[Text], BeforeValidator(templates)] = "none"
    """The texts of a class: its name alone (`none`), in one prompt, in the usual 28 of CLIP, or in
    those of a list, in which `{}` stands for the name."""
    descriptions: Text | None = None
    """A file with texts of classes, which stand in place of prompts: .csv, `name,text...`, or
    .json, `{name: [texts]}`. `{}` in a text stands for the name."""
    model: Text | None = None
    """Of `sentences`: a name on the Hugging Face hub, or a folder."""
    revision: Text | None = None
    """Of a model on the hub, its commit; null takes the newest."""

    def __post_init__(self) -> None:
        """Check that no option is without effect; raises UserError."""
        if self.kind == "sentences" and self.model is None:
            raise UserError(
                "class_vectors.kind=sentences needs a model: class_vectors=sentences has one, "
                "class_vectors.model=NAME or a folder names another"
            )
        of_model = ["model", "revision"] if self.kind != "sentences" else []
        idle = of_model + (["prompts", "descriptions"] if self.kind == "words" else [])
        unset = {"prompts": "none"}
        for name in idle:
            if (value := getattr(self, name)) != unset.get(name):
                raise UserError(
                    f"class_vectors.{name}={value} has no effect with class_vectors={self.kind}; "
                    "choose class_vectors=text or class_vectors=sentences"
                )

    @property
    def templates(self) -> tuple[str, ...]:
        """The prompts, as texts with `{}`."""
        own = self.prompts
        return PROMPTS[own] if isinstance(own, str) else tuple(own)


@dataclass(frozen=True)
class NamedClass:
    """A class asked for: its name, and the texts that describe it in its place, if any."""

    name: str
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClassTexts:
    """What is said of classes.

    Attributes:
        prompts: texts with `{}`, of a class that has no description.
        descriptions: texts by class name, as `plain_name` writes it.
        origin: the file of the descriptions, for messages and records.
    """

    prompts: tuple[str, ...] = (NAME,)
    descriptions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origin: str | None = None

    @staticmethod
    def read(spec: ClassVectorSpec) -> "ClassTexts":
        """Read the descriptions that `class_vectors` names.

        Raises:
            UserError: the file cannot be read, describes a class twice, or no class.
        """
        if spec.descriptions is None:
            return ClassTexts(spec.templates)
        option = f"class_vectors.descriptions={spec.descriptions}"
        described: dict[str, tuple[str, ...]] = {}
        for entry in from_file(Path(spec.descriptions).expanduser()):
            if (name := plain_name(entry.name)) in described:
                raise UserError(f"{option} has {entry.name!r} twice; join its texts in one entry")
            if entry.texts:
                described[name] = entry.texts
        if not described:
            raise UserError(
                f"{option} describes no class; a row of a .csv file is NAME,TEXT, a .json file "
                "holds {NAME: [TEXT]}"
            )
        return ClassTexts(spec.templates, described, Path(spec.descriptions).name)

    def with_own(self, listed: Iterable[NamedClass]) -> "ClassTexts":
        """Add the texts of classes as a user lists them; they stand before other descriptions."""
        own = {plain_name(entry.name): entry.texts for entry in listed if entry.texts}
        return replace(self, descriptions={**self.descriptions, **own})

    def of(self, name: str) -> tuple[str, ...]:
        """Give the texts of a class, each once, in order."""
        return tuple(dict.fromkeys(one.replace(NAME, in_words(name)) for one in self.raw(name)))

    def raw(self, name: str) -> tuple[str, ...]:
        """Give the texts of a class before its name is put in."""
        return self.descriptions.get(plain_name(name)) or self.prompts

    def describes(self, name: str) -> bool:
        """Tell whether a class has a description."""
        return plain_name(name) in self.descriptions

    @cached_property
    def hashes(self) -> dict[str, Any]:
        """Say which texts these are: the prompts, and hashes (sha256), for records."""
        content = json.dumps(sorted(self.descriptions.items()), ensure_ascii=False)
        return {
            "prompts": list(self.prompts),
            "prompts_sha256": text_hash(json.dumps(self.prompts, ensure_ascii=False)),
            "descriptions": self.origin,
            "descriptions_sha256": text_hash(content) if self.descriptions else None,
        }


def in_words(name: str) -> str:
    """Write a class name as words in lower case, in the spelling of its data set.

    `ApplyEyeMakeup` is `apply eye makeup`, `brush_hair` is `brush hair`, and `/f/field/wild` of
    SUN397 is `field wild`. No word is left out or brought to a base form.
    """
    spaced = HUMPS.sub(" ", plain_name(name).replace("/", " "))
    return " ".join(spaced.split()).lower()


def text_hash(text: str) -> str:
    """Hash a text (sha256)."""
    return hashlib.sha256(encoded(text)).hexdigest()


def read_classes(classes: Classes) -> list[NamedClass]:
    """Read class names: a list, a mapping to texts, or a file (.txt, .csv, .json).

    Args:
        classes: names; or name to texts; or the path of a file with a name a line, of a CSV file
            `name,description...`, or of a JSON file `{name: [texts]}` or `[names]`.

    Raises:
        UserError: the file is none, or there is no name.
    """
    if isinstance(classes, Mapping):
        return with_names(
            [class_entry(name, texts, "classes") for name, texts in classes.items()], "classes"
        )
    if isinstance(classes, (str, os.PathLike)):
        return from_file(Path(classes).expanduser())
    return with_names([NamedClass(str(name).strip()) for name in classes], "classes")


def from_file(file: Path) -> list[NamedClass]:
    """Read a file of class names; raises UserError as `read_classes`."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UserError(f"class names cannot be read from {file}: {why}") from None
    kind = file.suffix.lower()
    if kind == ".json":
        try:
            content = json.loads(text)
        except ValueError as error:
            raise UserError(f"{file} is no JSON ({error})") from None
        if isinstance(content, dict):
            return with_names([class_entry(k, v, str(file)) for k, v in content.items()], str(file))
        if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
            raise UserError(f"{file} must hold a list of names, or an object of name: [texts]")
        return with_names([NamedClass(name.strip()) for name in content], str(file))
    if kind == ".csv":
        rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
        rows = [row for row in rows if any(row)]
        if rows and rows[0][0].lower() in ("name", "class"):
            del rows[0]
        listed = [NamedClass(row[0], tuple(cell for cell in row[1:] if cell)) for row in rows]
        return with_names(listed, str(file))
    return with_names([NamedClass(line.strip()) for line in text.splitlines()], str(file))


def class_entry(name: object, texts: object, where: str) -> NamedClass:
    """Check one entry of `{name: [texts]}`; raises UserError."""
    own = [texts] if isinstance(texts, str) else texts
    if not isinstance(own, Iterable) or not all(isinstance(text, str) for text in own):
        raise UserError(f"{where}: {name!r} must have a list of texts")
    return NamedClass(str(name).strip(), tuple(text.strip() for text in own if text.strip()))


def with_names(listed: list[NamedClass], where: str) -> list[NamedClass]:
    """Leave out empty names, and give the others one form; raises UserError where none is left."""
    if not (full := [replace(e, name=one_form(e.name)) for e in listed if e.name]):
        raise UserError(f"{where} holds no class name; give at least one")
    return full
