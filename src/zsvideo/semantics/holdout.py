"""Source classes held out of training, to choose a checkpoint by (never by target classes).

Shapes: K classes, D embedding.
"""

from collections.abc import Mapping

import numpy as np

from zsvideo.errors import UserError
from zsvideo.semantics.class_vectors import cosine_distances


def hold_out(
    class_vectors: Mapping[str, np.ndarray], share: float, tau: float, seed: int
) -> list[str]:
    """Draw classes at random, none of them nearer than tau to a class that stays.

    Args:
        class_vectors: (D,) by name, of the classes that may be trained on.
        share: of the classes, to be drawn.
        tau: cosine distance, as the rule keeps test classes out (Eq. 3).
        seed: of the draw.

    Returns:
        Their names, sorted; at least two.

    Raises:
        UserError: so many classes cannot be held out.
    """
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
        raise UserError(f"selection.share={share} must be a share of the classes, above 0, below 1")
    names = list(class_vectors)
    matrix = np.stack([class_vectors[name] for name in names])
    distances = cosine_distances(matrix, matrix) + 2 * np.eye(len(names))  # of itself: never near
    apart = [name for name, row in zip(names, distances, strict=True) if row.min() >= tau]
    count = max(2, round(share * len(names)))
    if count > len(apart) or count > len(names) - 2:
        raise UserError(
            f"selection.share={share} would hold out {count} of {len(names)} source classes, "
            f"{len(apart)} of which are far enough from the others; take selection=last"
        )
    drawn = np.random.default_rng((seed, len(names))).permutation(len(apart))[:count]
    return sorted(apart[i] for i in drawn)
