"""The record of a run: one typed value, written once, that all tables and figures are views of."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from zsvideo.errors import UserError
from zsvideo.names import encoded, legible
from zsvideo.semantics.records import UNKNOWN, ProtocolRecord, RecordPart, file_hash

VERSION = 1
SUMS = "SHA256SUMS"
SUMMED = (  # beside metrics.json
    "protocol.json",
    "metrics.csv",
    "hparams.yaml",
    "checkpoints/last.ckpt",
    "checkpoints/best.ckpt",
    "predictions/*.npz",
    "samples/*.npz",
)


class Gate(RecordPart):
    """Generalised scoring where a novelty gate decides between test classes and those trained on.

    Attributes:
        threshold: None where it is infinite.
        auroc: of novelty, 0..1; None where it is the same for all videos.
    """

    unseen: float
    seen: float
    harmonic: float
    threshold: float | None = None
    auroc: float | None = None


class Numbers(RecordPart):
    """What an evaluation gives for a target, accuracies in percent; others have other numbers.

    Attributes:
        options: its function and the options of that.
        interval: level, resamples, and of each measure the ends by what was resampled.
        classes: candidates.
        list_sha256: of the candidates of all draws.
        curve: points of Fig. 7, or of seen and unseen accuracy.
        distances: of each test class to those trained on.
        gate: of generalised scoring by a novelty gate; None without one.
    """

    options: dict[str, Any] = {}
    interval: dict[str, Any] = {}
    classes: int | None = None
    list_sha256: str = UNKNOWN
    curve: list[Any] | None = None
    distances: dict[str, float] | None = None
    top1: float | None = None
    top5: float | None = None
    unseen: float | None = None
    seen: float | None = None
    harmonic: float | None = None
    ausuc: float | None = None
    gate: Gate | None = None
    threshold: float = 0.0
    candidates: int | None = None

    def accuracy(self, measure: str) -> float | None:
        """Return an accuracy, the mean where there are draws; None without one."""
        value = getattr(self, measure, None)
        return getattr(self, f"{measure}_mean", None) if value is None else value

    def shown(self, measure: str, digits: int = 1) -> str:
        """Write an accuracy, with its standard deviation where it is a mean over draws."""
        value, spread = self.accuracy(measure), getattr(self, f"{measure}_std", None)
        text = "-" if value is None else f"{value:.{digits}f}"
        return text if value is None or spread is None else f"{text} ± {spread:.{digits}f}"

    @property
    def is_accuracy(self) -> bool:
        """Whether it is an accuracy of all videos, or a mean of such over draws."""
        return bool({"top1", "top1_mean"} & self.model_fields_set)

    @property
    def points(self) -> "list[Numbers]":
        """The points of Fig. 7: a threshold, and the accuracy of the classes beyond it."""
        return list(map(Numbers.model_validate, self.curve or ()))

    @property
    def farthest_half(self) -> "Numbers":
        """The point of Fig. 7 beyond which half of the test classes lie."""
        return self.points[len(self.points) // 2]


class ScoredVideos(RecordPart):
    """The videos of one target: how many there were and should be, and hashes of what was scored.

    Attributes:
        expected: published number; None if unknown.
        unreadable: videos left out, with the reason.
        hashes: of `videos`, `classes` and `vectors`, which must be equal to compare two numbers.
        predictions_sha256: of the file, in records without `SHA256SUMS`.
    """

    used: int = 0
    found: int = 0
    expected: int | None = None
    unreadable: dict[str, str] = {}
    hashes: dict[str, str] = {}
    predictions_sha256: str | None = None

    @property
    def missing(self) -> int:
        """How many videos were not used; 0 where their number is unknown."""
        return max((self.expected or 0) - self.used, len(self.unreadable))


class TargetRecord(ScoredVideos):
    """The result on one target; every other key is an evaluation.

    Attributes:
        target: its name, which that of a test with another number of clips adds to.
        test_clips: of a video.
    """

    __pydantic_extra__: dict[str, Numbers] = Field(init=False)
    target: str | None = None
    test_clips: int | None = None
    not_applicable: dict[str, str] = {}

    @property
    def evaluations(self) -> dict[str, Numbers]:
        """The numbers by evaluation."""
        return self.__pydantic_extra__


class SourceVideos(RecordPart):
    """The videos of the source: how many there were and how many were trained on."""

    used: int
    found: int
    quarantined: dict[str, str] = {}
    without_vector: list[str] = []
    unreadable_replaced: dict[str, str] = {}


class Checkpoint(RecordPart):
    """The weights that were tested."""

    file: str = UNKNOWN
    sha256: str | None = None


class Classified(RecordPart):
    """How a classifier tells its own classes apart, on one set."""

    top1: float
    videos: int
    unreadable: int


class HeadRecord(RecordPart):
    """A head on frozen features, in place of f_s.

    Attributes:
        name: as in the group `head`.
        substituted: what it does in another way than the publication.
        target_class_names_used: in training; those of the source always are.
        target_videos_used: in training, without their labels: TRANSDUCTIVE.
        options: it was fitted with.
        gate: `name` of the novelty gate beside it, and what that has `substituted`; None without.
        choice: how open ones were chosen: `draws`, `share`, `held_out` classes and what was
            `tried`.
        features: the encoder, and how many clips of what size.
        videos: it was fitted on.
        seconds: of each part of the fit.
    """

    name: str
    substituted: list[str] = []
    target_class_names_used: bool = False
    target_videos_used: bool = False
    options: dict[str, Any] = {}
    gate: dict[str, Any] | None = None
    choice: dict[str, Any] = {}
    features: dict[str, Any] = {}
    videos: int = 0
    seconds: dict[str, float] = {}

    @property
    def label(self) -> str:
        """Name it as a row of a table."""
        return f"{self.name} (re-implementation on {self.features.get('backbone', UNKNOWN)})"


class Environment(RecordPart):
    """What a run was made with."""

    time: str = UNKNOWN
    software: dict[str, str] = {}
    code: str | None = None
    hardware: dict[str, Any] | str = UNKNOWN


class RunRecord(RecordPart):
    """What `metrics.json` and `protocol.json` hold.

    Attributes:
        version: of the form; 0 before there were versions.
        seen: held-out videos of classes trained on.
        source: None where nothing was trained.
        selection: how the checkpoint was chosen.
        validation: best top-1 in percent on what chose the checkpoint; None where nothing did.
        steps: of the optimiser, that the checkpoint has taken.
        trained_steps: of these, taken by the run itself.
        track: what kind of network; only those of a kind are compared.
        encoder: of another library, which one; None for networks of this project.
        setup: the options that decide the numbers.
        head: in place of f_s; None for f_s.
        none_of_these: threshold and errors, see `zsvideo.prediction.rejection`; None without.
        scored: where the predictions are from, if the run only scored them.
        classification: of a classifier, by set.
        record_sha256, protocol_sha256: of records without `SHA256SUMS`.
    """

    version: int = 0
    targets: dict[str, TargetRecord] = {}
    seen: ScoredVideos | None = None
    source: SourceVideos | None = None
    protocol: ProtocolRecord = ProtocolRecord()
    selection: str = UNKNOWN
    validation: float | None = None
    checkpoint: Checkpoint = Checkpoint()
    seed: int | str | None = UNKNOWN
    test_clips: int | str | None = UNKNOWN
    steps: int | str | None = UNKNOWN
    trained_steps: int | None = None
    seconds: dict[str, float] | None = None
    track: str = "video"
    encoder: dict[str, Any] | None = None
    setup: dict[str, Any] = {}
    environment: Environment = Environment()
    none_of_these: dict[str, Any] | None = None
    head: HeadRecord | None = None
    scored: dict[str, Any] | None = None
    classification: dict[str, Classified] = {}
    record_sha256: str | None = None
    protocol_sha256: str | None = None

    @property
    def transductive(self) -> bool:
        """Whether videos of the targets were used in training, without their labels."""
        return self.head is not None and self.head.target_videos_used


def read_record(folder: Path, complete: bool = True) -> RunRecord:
    """Read the record of a run, of this or an earlier version.

    Args:
        folder: of the run.
        complete: both files have to be there; else what is not there is not set.

    Raises:
        UserError: the folder holds no finished run, or one that is damaged or of a later version.
    """
    file, place = "metrics.json", ""
    try:
        metrics = read_json(folder / file, complete)
        file = "protocol.json"
        protocol = read_json(folder / file, complete)
        if metrics.get("pretrain") and not protocol.get("pretrain"):  # before there were versions
            protocol["pretrain"] = metrics["pretrain"]
        record = RunRecord.model_validate({**metrics, "protocol": protocol})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, ValidationError):
            keys = [str(key) for key in error.errors()[0]["loc"]]
            file = "protocol.json" if keys[0] == "protocol" else "metrics.json"
            place = f" at {'.'.join(keys)}"
        raise UserError(
            f"{folder} (run) holds no finished run: {file} is not there or damaged{place}; give "
            "a folder under runs/ or multirun/"
        ) from None
    if record.version > VERSION:
        raise UserError(f"{folder} (run) was written by a later version of this project; update it")
    return record


def read_json(file: Path, must_exist: bool) -> dict[str, Any]:
    """Read a JSON object, empty where the file is not there and need not be."""
    if not must_exist and not file.is_file():
        return {}
    return dict(json.loads(file.read_text(encoding="utf-8")))


def write_record(record: RunRecord, folder: Path) -> None:
    """Write `protocol.json`, `SHA256SUMS` and, last, `metrics.json`, which says that all is there.

    `sha256sum -c SHA256SUMS` checks what the run wrote. Not in it is what changes afterwards: the
    log, the options as typed (a start that goes on writes `.hydra/` anew), and the pictures and
    texts that `report` makes again.
    """
    metrics = as_json(record.plain() | {"protocol": record.protocol.summary()})
    write_text(folder / "protocol.json", as_json(record.protocol.plain()))
    files = sorted(file for pattern in SUMMED for file in folder.glob(pattern))
    sums = {"metrics.json": hashlib.sha256(encoded(metrics)).hexdigest()}
    sums |= {file.relative_to(folder).as_posix(): file_hash(file) for file in files}
    write_text(folder / SUMS, "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items()))
    write_text(folder / "metrics.json", metrics)


def as_json(content: Mapping[str, Any] | Sequence[Any]) -> str:
    """Write plain data as JSON for people to read."""
    return legible(json.dumps(content, indent=1, ensure_ascii=False)) + "\n"


def write_text(file: Path, text: str) -> None:
    """Write a text so that a reader sees all of it or nothing."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(legible(text), encoding="utf-8")
    part.replace(file)


def read_sums(folder: Path) -> dict[str, str]:
    """Read the hash (sha256) of each file that `SHA256SUMS` lists; empty for earlier versions."""
    if not (folder / SUMS).is_file():
        return {}
    lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    return {name[1:]: sha256 for sha256, _, name in (line.partition(" ") for line in lines)}
