"""Features with a known answer: classes that a head can tell apart without having seen them."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional as F

from zsvideo.models.heads import Training


@dataclass(frozen=True)
class Rows:
    """Features in memory: clips (V, N, F) float32 with a mask (V, N)."""

    array: torch.Tensor
    mask: torch.Tensor

    def __len__(self):
        return len(self.array)

    def clips(self, rows):
        rows = torch.as_tensor(rows)
        return self.array[rows], self.mask[rows]

    def means(self, rows):
        return self.array[torch.as_tensor(rows)].mean(dim=1)


@dataclass(frozen=True)
class Problem:
    """Videos of all classes, with unit class vectors (C, D), and which classes are unseen."""

    rows: Rows
    labels: np.ndarray
    vectors: torch.Tensor
    unseen: np.ndarray
    seed: int = 0

    def training(self, sequence=False):
        """Videos and vectors of the seen classes."""
        seen = np.setdiff1d(np.arange(len(self.vectors)), self.unseen)
        return self._all(sequence).of_classes(seen)

    def test(self, sequence=False):
        """Videos and vectors of the unseen classes."""
        return self._all(sequence).of_classes(self.unseen)

    def aware(self, sequence=False):
        """Training that sees names and videos of the unseen classes too."""
        part = Rows(self.rows.array[self._test_videos], self.rows.mask[self._test_videos])
        names = self.test().vectors
        return replace(self.training(sequence), target_vectors=names, target_rows=part)

    def _all(self, sequence):
        return Training(self.rows, self.labels, self.vectors, sequence, self.seed)

    @property
    def _test_videos(self):
        return torch.as_tensor(np.flatnonzero(np.isin(self.labels, self.unseen)))


def planted(seed=0, seen=60, unseen=20, videos=40, clips=8, features=64, embedding=32, noise=0.5):
    """Class means are linear in the class vector, but for an offset: x = M s_c + o_c + noise."""
    rng = np.random.default_rng(seed)
    count = seen + unseen
    vectors = F.normalize(torch.as_tensor(rng.normal(size=(count, embedding))).float(), dim=1)
    linear = torch.as_tensor(rng.normal(size=(embedding, features))).float()
    offset = 0.3 * torch.as_tensor(rng.normal(size=(count, features))).float()
    labels = np.repeat(np.arange(count), videos)
    centre = (vectors @ linear + offset)[torch.as_tensor(labels)]
    of_video = torch.as_tensor(rng.normal(size=centre.shape)).float()
    of_clip = torch.as_tensor(rng.normal(size=(len(labels), clips, features))).float()
    array = (centre + noise * of_video)[:, None] + noise * of_clip
    chosen = np.sort(rng.permutation(count)[:unseen])
    return Problem(in_memory(array), labels, vectors, chosen, seed)


def ordered(seed=0, atoms=8, unseen=5, videos=40, clips=8, features=32, noise=0.5):
    """A class is an ordered pair of atoms: (a, b) and (b, a) differ in the order of clips alone.

    `unseen` unordered pairs give twice as many unseen classes.
    """
    rng = np.random.default_rng(seed)
    atom_vectors = rng.normal(size=(atoms, 8))
    atom_features = rng.normal(size=(atoms, features))
    unordered = [(a, b) for a in range(atoms) for b in range(a + 1, atoms)]
    pairs = np.array([pair for a, b in unordered for pair in ((a, b), (b, a))])
    vectors = atom_vectors[pairs].reshape(len(pairs), -1)
    labels = np.repeat(np.arange(len(pairs)), videos)
    half = clips // 2
    when = np.repeat([0, 1], [half, clips - half])
    centre = atom_features[pairs[labels][:, when]]
    array = centre + noise * rng.normal(size=centre.shape)
    chosen = np.sort(rng.permutation(len(unordered))[:unseen])
    classes = np.stack([2 * chosen, 2 * chosen + 1], axis=1).ravel()
    unit = F.normalize(torch.as_tensor(vectors).float(), dim=1)
    return Problem(in_memory(torch.as_tensor(array).float()), labels, unit, classes, seed)


def in_memory(array):
    """Hold clips (V, N, F), none of which repeats."""
    return Rows(array, torch.ones(array.shape[:2], dtype=torch.bool))


def padded(rows, count):
    """Repeat the first clips at the end, masked."""
    array = torch.cat([rows.array, rows.array[:, :count]], dim=1)
    mask = torch.cat([rows.mask, torch.zeros_like(rows.mask[:, :count])], dim=1)
    return Rows(array, mask)


@torch.inference_mode()
def top1(head, test, vectors=None):
    """Percent of the videos whose own class scores best."""
    vectors = test.vectors if vectors is None else vectors
    head.eval()
    hits = [
        (head.scores(features, vectors).argmax(dim=1) == labels)
        for features, labels in test.in_order()
    ]
    return 100 * float(torch.cat(hits).float().mean())


def permuted(head, test, draws=20):
    """Top-1 with class vectors permuted, the mean over permutations: about chance."""
    rng = np.random.default_rng(0)
    orders = [torch.as_tensor(rng.permutation(len(test.vectors))) for _ in range(draws)]
    return float(np.mean([top1(head, test, test.vectors[order]) for order in orders]))
