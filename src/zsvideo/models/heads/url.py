"""URL, the universal representation (Zhu et al., CVPR 2018).

Each class is cut into bags of clips, the building blocks; a video is its relation to all blocks.
Relations and names of the classes share non-negative codes, into which videos are folded by one
half, names by the other. Shapes: V videos, B of them, N clips, C classes trained on, K classes
asked for, M blocks, R components, F features, D embedding.
"""

import warnings

import numpy as np
import torch
from scipy.optimize import nnls
from scipy.spatial.distance import cdist
from torch import Tensor

from zsvideo.errors import UserError
from zsvideo.models.heads.base import Features, Head, Training
from zsvideo.models.heads.similarity import gaussian, squared_distances
from zsvideo.options import Count, Positive, Switch, options

VIDEOS = 256  # of a class, drawn for its blocks, and to measure distances
CHUNK = 256  # videos whose relation is computed at a time
STEPS = 500  # of the factorisation at most
PENALTY = 1e-4  # on the length of a code, relative to that of a component
SMALLEST = 1e-12  # added to codes, so that each has a distribution


class Url(Head):
    """V ~ Z H_v and S ~ Z H_s with all at least 0; score -JSD of the codes Z of video and name."""

    needs = "sequence"

    @options
    class Options:
        """Of `head=url`."""

        components: Count | None = None
        """R of the codes; at most the classes trained on."""
        width: Positive | None = None
        """w of exp(-d^2 / w), times the median of d^2; d is the distance of a clip and a block."""
        balance: Positive | None = None
        """Weight of names against videos in the factorisation, both of the same length."""
        bags: Count = 5
        """Blocks of a class."""
        adapt: Switch = False
        """Move codes of names to the mean and spread of those trained on; sees the names that are
        tested."""

    choices = {
        "components": (16, 32, 64, 128),
        "width": (0.1, 0.2, 0.5, 1.0),
        "balance": (0.3, 1.0, 3.0),
    }
    substituted = (
        "ResNet-200 features of frames -> cached features of clips",
        "odds-ratio weights of blocks -> mean Gaussian kernel of clips and blocks",
        "Jensen-Shannon divergence in the factorisation -> as the distance of codes alone",
        "transfer joint matching to adapt -> mean and spread of codes, with adapt=true",
        "class vectors with signs -> positive and negative part side by side",
    )

    blocks: Tensor
    width: Tensor
    visual: Tensor
    semantic: Tensor
    shift: Tensor
    spread: Tensor

    def __init__(self, feature_dim: int, embedding_dim: int, options: Options) -> None:
        super().__init__(feature_dim, embedding_dim, options)
        self.register_buffer("blocks", torch.zeros(0, feature_dim))
        self.register_buffer("width", torch.ones(()))
        self.register_buffer("visual", torch.zeros(0).double())
        self.register_buffer("semantic", torch.zeros(0).double())
        self.register_buffer("shift", torch.zeros(0).double())
        self.register_buffer("spread", torch.zeros(0).double())

    @property
    def uses(self) -> frozenset[str]:
        """To adapt takes the names that are tested."""
        return frozenset({"names"}) if self.options.adapt else frozenset()

    def fit(self, training: Training) -> None:
        """Cluster class by class, take mean relations in one pass, then factorise."""
        classes = range(len(training.vectors))
        self.blocks = torch.cat([blocks_of(training, c, self.options.bags) for c in classes])
        features, _ = next(training.shuffled(VIDEOS, 0))
        clips, mask = features.sequence
        distances = squared_distances(clips[mask], self.blocks)
        self.width = self.options.width * distances.median()
        relations = self.class_relations(training)
        names = parts(training.vectors.double().numpy())
        codes, visual, semantic = factorise(
            relations, self.options.balance * names, self.options.components, training.seed
        )
        self.visual = torch.as_tensor(visual)
        self.semantic = torch.as_tensor(semantic / self.options.balance)
        self.shift, self.spread = torch.zeros(0).double(), torch.zeros(0).double()
        if self.options.adapt:
            self._adapt(training, codes)

    def class_relations(self, training: Training) -> np.ndarray:
        """Take the mean relation of each class: (C, M) float64."""
        totals = torch.zeros(len(training.vectors), len(self.blocks)).double()
        counts = torch.zeros(len(totals)).double()
        for features, labels in training.in_order(CHUNK):
            totals.index_add_(0, labels, self.relations(features).double())
            counts += torch.bincount(labels, minlength=len(counts))
        return (totals / counts.clamp(min=1)[:, None]).numpy()

    def relations(self, features: Features) -> Tensor:
        """Take the mean kernel of the clips of a video and each block: (B, M)."""
        clips, mask = features.sequence
        weights = mask.to(clips) / mask.sum(dim=1, keepdim=True)
        relations = clips.new_empty(len(clips), len(self.blocks))
        for start in range(0, len(clips), CHUNK):
            chunk = slice(start, start + CHUNK)
            kernel = gaussian(clips[chunk].flatten(0, 1), self.blocks, self.width)
            kernel = kernel.view(*clips[chunk].shape[:2], -1)
            relations[chunk] = torch.einsum("bn,bnm->bm", weights[chunk], kernel)
        return relations

    def video_codes(self, features: Features) -> np.ndarray:
        """Fold videos in by the visual half: (B, R)."""
        return fold_in(self.relations(features).double().cpu().numpy(), self.visual.cpu().numpy())

    def name_codes(self, vectors: Tensor) -> np.ndarray:
        """Fold names in by the semantic half: (K, R)."""
        codes = fold_in(parts(vectors.double().cpu().numpy()), self.semantic.cpu().numpy())
        if self.shift.numel():
            moved = codes * self.spread.cpu().numpy() + self.shift.cpu().numpy()
            codes = np.maximum(moved, 0)
        return codes

    def _adapt(self, training: Training, codes: np.ndarray) -> None:
        """Find the scale and shift that give codes of the names the mean and spread of others."""
        if training.target_vectors is None:
            raise UserError("head.adapt=true needs the names that are tested; head.adapt=false")
        own = self.name_codes(training.target_vectors)
        spread = codes.std(axis=0) / np.maximum(own.std(axis=0), SMALLEST)
        spread = np.where(own.std(axis=0) > SMALLEST, spread, 1.0)
        self.spread = torch.as_tensor(spread)
        self.shift = torch.as_tensor(codes.mean(axis=0) - spread * own.mean(axis=0))

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Compare codes by the Jensen-Shannon distance."""
        codes = self.video_codes(features) + SMALLEST
        distances = cdist(codes, self.name_codes(vectors) + SMALLEST, "jensenshannon")
        return -torch.as_tensor(distances).to(features.mean)


def blocks_of(training: Training, label: int, bags: int) -> Tensor:
    """Cluster the clips of a class, of some of its videos: (bags, F), fewer of few clips."""
    from sklearn.cluster import MiniBatchKMeans  # seconds that a prediction need not wait

    own = training.of_classes(np.array([label]))
    order = np.random.default_rng((training.seed, label)).permutation(len(own))
    if not len(order):
        return torch.zeros(0, training.read(np.arange(1))[0].mean.shape[1])
    features, _ = own.read(np.sort(order[:VIDEOS]))
    clips, mask = features.sequence
    points = clips[mask].numpy()
    means = MiniBatchKMeans(min(bags, len(points)), random_state=training.seed, n_init=1)
    return torch.as_tensor(means.fit(points).cluster_centers_)


def parts(vectors: np.ndarray) -> np.ndarray:
    """Set positive and negative part side by side: (K, D) to (K, 2 D), at least 0."""
    return np.concatenate([np.maximum(vectors, 0), np.maximum(-vectors, 0)], axis=1)


def factorise(
    relations: np.ndarray, names: np.ndarray, components: int, seed: int, steps: int = STEPS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factorise [V, S] into common codes and two halves, all at least 0.

    Args:
        relations: V, (C, M); it is scaled to the norm that class vectors of unit length have.
        names: S, (C, 2 D).
        components: R.
        seed: of the start.
        steps: at most.

    Returns:
        Codes (C, R), the visual half (R, M) of V as it is, the semantic half (R, 2 D).
    """
    from sklearn.decomposition import non_negative_factorization
    from sklearn.exceptions import ConvergenceWarning

    scale = np.sqrt(len(relations)) / np.linalg.norm(relations)
    joint = np.concatenate([scale * relations, names], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        codes, basis, _ = non_negative_factorization(
            joint,
            n_components=min(components, *joint.shape),
            init="nndsvda",
            max_iter=steps,
            random_state=seed,
        )
    size = relations.shape[1]
    return codes, basis[:, :size] / scale, basis[:, size:]


def fold_in(rows: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Find the codes of least error for rows (B, M) with a basis (R, M) that is fixed: (B, R).

    Each row is solved by itself, so that a code does not depend on its batch; a slight weight on
    the length of the code makes it the only one.
    """
    size = len(basis)
    weight = PENALTY * np.linalg.norm(basis) / np.sqrt(size)
    left, triangle = np.linalg.qr(np.concatenate([basis.T, weight * np.eye(size)]))
    goals = rows @ left[: rows.shape[1]]
    codes = [nnls(triangle, goal, maxiter=100 * size)[0] for goal in goals]
    return np.array(codes).reshape(len(rows), size)
