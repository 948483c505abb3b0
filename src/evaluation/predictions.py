"""Saved predictions: all that scoring needs, in one npz file a target.

Shapes: V videos, K classes, D embedding.
"""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from src.errors import UserError


@dataclass(frozen=True)
class Predictions:
    """The embeddings of one target's videos, beside the class vectors they are compared with.

    Attributes:
        ids: (V,) names of the videos.
        labels: (V,) int64, rows of `class_names`.
        embeddings: (V, D) float32.
        class_names: (K,) in the sorted order of the data set's spelling.
        class_vectors: (K, D) float32, unit rows.
    """

    ids: np.ndarray
    labels: np.ndarray
    embeddings: np.ndarray
    class_names: np.ndarray
    class_vectors: np.ndarray

    def save(self, file: Path) -> None:
        """Write the npz file."""
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, **vars(self))

    @staticmethod
    def load(file: Path) -> "Predictions":
        """Read an npz file.

        Raises:
            UserError: it is missing, damaged, or no predictions file.
        """
        try:
            with np.load(file) as arrays:
                return Predictions(**{key: arrays[key] for key in arrays.files})
        except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise UserError(f"{file} holds no predictions ({error})") from None

    def among(self, classes: np.ndarray) -> "Predictions":
        """Restrict videos and candidates to some classes (row numbers), renumbering the labels."""
        rows = np.full(len(self.class_names), -1)
        rows[classes] = np.arange(len(classes))
        inside = rows[self.labels] >= 0
        return Predictions(
            self.ids[inside],
            rows[self.labels[inside]],
            self.embeddings[inside],
            self.class_names[classes],
            self.class_vectors[classes],
        )

    def nearest(self) -> np.ndarray:
        """Give the row of the nearest class of each video (Eq. 1), (V,); ties go to the first."""
        return (self.embeddings @ self.class_vectors.T).argmax(axis=1)
