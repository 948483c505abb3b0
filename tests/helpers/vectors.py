"""Made-up word vectors."""

import numpy as np
from gensim.models import KeyedVectors

from zsvideo.semantics.class_vectors import ClassBank


def toy_vectors(words, size=20, seed=0):
    """Make random word vectors of length 1 to 3."""
    rng = np.random.default_rng(seed)
    keyed = KeyedVectors(size)
    rows = rng.normal(size=(len(words), size)).astype(np.float32)
    rows *= rng.uniform(1, 3, size=(len(words), 1)) / np.linalg.norm(rows, axis=1, keepdims=True)
    keyed.add_vectors(list(words), rows.astype(np.float32))
    return keyed


def bank(vectors):
    """Make a class bank of a dict of class name to vector."""
    return ClassBank(tuple(vectors), np.stack(list(vectors.values())))
