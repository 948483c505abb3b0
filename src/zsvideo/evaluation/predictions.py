"""Saved predictions: all that scoring needs, in one npz file a target.

Shapes: V videos, K classes, S classes trained on, E embedding.
"""

import hashlib
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from zsvideo.errors import UserError
from zsvideo.evaluation.ranking import best, cosine_scores
from zsvideo.semantics.caches import UNREADABLE
from zsvideo.semantics.records import lines_hash

HASHES = "hashes"  # of each array, in files of earlier versions
SEEN = "seen"  # the predictions of held-out videos of classes trained on, beside the targets'


@dataclass(frozen=True)
class Predictions:
    """The embeddings of one target's videos, beside the class vectors they are compared with.

    All that is scored comes from `scores`: the cosine of embeddings and class vectors, or what
    another kind of head gave.

    Attributes:
        ids: (V,) names of the videos.
        labels: (V,) int64, rows of `class_names`.
        embeddings: (V, E) float32; E is 0 where a head gives scores alone.
        class_names: (K,) in the sorted order of the data set's spelling.
        class_vectors: (K, E) float32, unit rows.
        splits: (V, 3) bool, the video is in this official test split; None where a data set has no
            splits or their lists do not lie with it.
        trained_names: (S,) classes trained on; None if unknown.
        trained_vectors: (S, E) float32, unit rows; None if unknown.
        dataset: the class table of the target, else its name; None if unknown. A fixed list of
            classes is of data sets.
        head_scores: (V, K), of a head that does not compare by cosine, higher is better;
            None for the cosine.
        trained_scores: (V, S), of such a head for the classes trained on; None without.
        novelty: (V,) of a gate, higher where a class trained on is less likely; None without.
        novelty_threshold: of that gate, above which a video is novel, from videos of its own.
        seen: predictions of held-out videos of classes trained on, from another file. Those of a
            head have the target's classes among `class_names`.
    """

    ids: np.ndarray
    labels: np.ndarray
    embeddings: np.ndarray
    class_names: np.ndarray
    class_vectors: np.ndarray
    splits: np.ndarray | None = None
    trained_names: np.ndarray | None = None
    trained_vectors: np.ndarray | None = None
    dataset: str | None = None
    head_scores: np.ndarray | None = None
    trained_scores: np.ndarray | None = None
    novelty: np.ndarray | None = None
    novelty_threshold: float | None = None
    seen: "Predictions | None" = None

    def arrays(self) -> dict[str, np.ndarray]:
        """Name the arrays that the file holds."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != SEEN}
        return {name: np.asarray(array) for name, array in arrays.items() if array is not None}

    def save(self, file: Path) -> None:
        """Write the npz file; fractions, which hardly get smaller, as they are: read in no time."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with ZipFile(file, "w") as archive:
            for name, array in self.arrays().items():
                about = ZipInfo(f"{name}.npy")
                about.compress_type = ZIP_STORED if array.dtype.kind == "f" else ZIP_DEFLATED
                with archive.open(about, "w", force_zip64=True) as opened:
                    np.lib.format.write_array(opened, array, allow_pickle=False)

    @staticmethod
    def load(file: Path) -> "Predictions":
        """Read an npz file; `zsvideo.evaluation.integrity` compares it with the run's record.

        Raises:
            UserError: it is missing, damaged or no predictions file.
        """
        try:
            with np.load(file) as arrays:
                predictions = Predictions(
                    **{key: arrays[key] for key in arrays.files if key != HASHES}
                )
                if predictions.dataset is not None:
                    predictions = replace(predictions, dataset=str(predictions.dataset))
                if (threshold := predictions.novelty_threshold) is not None:
                    predictions = replace(predictions, novelty_threshold=float(threshold))
        except UNREADABLE as error:
            raise UserError(f"{file} holds no predictions ({error})") from None
        predictions.check(file)
        return predictions

    def check(self, file: Path) -> None:
        """Check that the arrays fit each other; raises UserError."""
        videos, classes = len(self.ids), len(self.class_names)
        fits = (
            self.labels.shape == (videos,)
            and self.embeddings.ndim == 2
            and len(self.embeddings) == videos
            and self.class_vectors.ndim == 2
            and len(self.class_vectors) == classes
            and (
                self.class_vectors.shape[1] == self.embeddings.shape[1]
                if self.head_scores is None
                else self.head_scores.shape == (videos, classes)
            )
            and (
                self.trained_scores is None
                or (
                    self.trained_names is not None
                    and self.trained_scores.shape == (videos, len(self.trained_names))
                )
            )
            and (self.novelty is None) == (self.novelty_threshold is None)
            and (self.novelty is None or self.novelty.shape == (videos,))
            and videos > 0
            and self.labels.min() >= 0
            and self.labels.max() < classes
        )
        if not fits:
            raise UserError(f"{file} holds no predictions (its arrays do not fit each other)")

    def of(self, videos: np.ndarray) -> "Predictions":
        """Choose videos, by rows or a mask."""
        return replace(
            self,
            ids=self.ids[videos],
            labels=self.labels[videos],
            embeddings=self.embeddings[videos],
            splits=None if self.splits is None else self.splits[videos],
            head_scores=None if self.head_scores is None else self.head_scores[videos],
            trained_scores=None if self.trained_scores is None else self.trained_scores[videos],
            novelty=None if self.novelty is None else self.novelty[videos],
        )

    def scores(self) -> np.ndarray:
        """Return how well each class fits each video, (V, K), higher is better; computed once.

        A row that is not finite is of a video whose embedding is not.
        """
        return self._scores

    @cached_property
    def _scores(self) -> np.ndarray:
        if self.head_scores is not None:
            return self.head_scores.astype(np.float64)
        return cosine_scores(self.embeddings, self.class_vectors)

    def nearest(self) -> np.ndarray:
        """Return the class of the best score of each video (Eq. 1), (V,); ties go to the first."""
        return best(self.scores())

    def videos_hash(self) -> str:
        """Hash which videos with which classes these are, whatever their order."""
        names = self.class_names[self.labels]
        return lines_hash(sorted(f"{i}\t{n}" for i, n in zip(self.ids, names, strict=True)))


def array_hash(array: np.ndarray) -> str:
    """Hash an array with its shape; texts and numbers alike on every machine (sha256)."""
    if array.dtype.kind == "U":
        return lines_hash([str(array.shape), *array.ravel().tolist()])
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    head = f"{plain.dtype.str} {plain.shape}\n".encode()
    return hashlib.sha256(head + plain.tobytes()).hexdigest()
