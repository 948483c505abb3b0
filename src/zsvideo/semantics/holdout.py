"""Source classes held out of training, to choose a checkpoint by (never by target classes).

Shapes: K classes, D embedding.
"""

import numpy as np

from zsvideo.errors import UserError
from zsvideo.semantics.class_vectors import ClassBank, cosine_distances


def hold_out(bank: ClassBank, share: float, tau: float, seed: int) -> list[str]:
    """Draw classes at random, none of them nearer than tau to a class that stays.

    Args:
        bank: unit vectors of the classes that may be trained on.
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
    names = bank.names
    distances = cosine_distances(bank.vectors, bank.vectors)
    np.fill_diagonal(distances, 2)  # of itself: never near
    apart = [name for name, row in zip(names, distances, strict=True) if row.min() >= tau]
    count = max(2, round(share * len(names)))
    if count > len(apart) or count > len(names) - 2:
        raise UserError(
            f"selection.share={share} would hold out {count} of {len(names)} source classes, "
            f"{len(apart)} of which are far enough from the others; take selection=last"
        )
    order = np.random.default_rng((seed, len(names))).permutation(len(apart))[:count]
    return sorted(apart[i] for i in order)
