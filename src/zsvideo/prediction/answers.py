"""What prediction gives: typed values, and the same as plain data with a version.

`docs/prediction.md` documents the plain form field by field.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

SCHEMA = "zsvideo.predictions/1"  # a field is added under the same number, else the number rises
DIGITS = 6  # of scores in CSV and JSON


@dataclass(frozen=True)
class TrainedClass:
    """A class that the model was trained on, near a name asked for.

    Attributes:
        name: as the training set spells it.
        distance: cosine distance of the two names' vectors.
    """

    name: str
    distance: float


@dataclass(frozen=True)
class Answer:
    """A class name for a video or a part of it.

    Attributes:
        name: one of the names asked for.
        score: cosine of the video's embedding and the name's vector, -1 to 1.
        probability: that it is this name, given that it is one of the names asked for; calibrated
            when the model was trained. None for models without a calibration.
        nearest: classes that the model was trained on, nearest first; empty where unknown.
        notes: what to know of the name, such as that it was trained on.
    """

    name: str
    score: float
    probability: float | None
    nearest: tuple[TrainedClass, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """A stretch of a video with one answer.

    Attributes:
        start: in seconds.
        end: in seconds.
        top: the best answers, best first.
        none_of_these: whether no name fits; None where the model has no threshold.
    """

    start: float
    end: float
    top: tuple[Answer, ...]
    none_of_these: bool | None


@dataclass(frozen=True)
class VideoAnswer:
    """What is said of one video.

    Attributes:
        path: as given, or as found under a folder that was given.
        top: the best answers, best first; empty for a video that cannot be read.
        none_of_these: whether no name fits; None where the model has no threshold.
        spans: by time, where windows were asked for.
        reason: why the video cannot be read, None if it can.
        embedding: (D,) float32, to be compared with those of other videos.
        frames: (T, H, W, 3) uint8, a contact sheet from first to last; None unless asked for.
    """

    path: str
    top: tuple[Answer, ...] = ()
    none_of_these: bool | None = None
    spans: tuple[Span, ...] = ()
    reason: str | None = None
    embedding: np.ndarray | None = None
    frames: np.ndarray | None = None

    def plain(self) -> dict[str, Any]:
        """Give it as plain data, without arrays; see `SCHEMA`."""
        status = "failed" if self.reason else "ok"
        return {
            "path": self.path,
            "status": status,
            "reason": self.reason,
            "none_of_these": self.none_of_these,
            "top": [plain_answer(answer) for answer in self.top],
            "spans": [
                {
                    "start": round(span.start, 3),
                    "end": round(span.end, 3),
                    "none_of_these": span.none_of_these,
                    "top": [plain_answer(answer) for answer in span.top],
                }
                for span in self.spans
            ],
        }


def plain_answer(answer: Answer) -> dict[str, Any]:
    """Give an answer as plain data."""
    content = asdict(answer)
    content["score"] = round(answer.score, DIGITS)
    if answer.probability is not None:
        content["probability"] = round(answer.probability, DIGITS)
    content["nearest"] = [
        {"name": near.name, "distance": round(near.distance, DIGITS)} for near in answer.nearest
    ]
    content["notes"] = list(answer.notes)
    return content
