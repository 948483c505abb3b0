"""Choose the open options of a head on held-out source classes, with the same budget for all."""

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zsvideo.errors import UserError
from zsvideo.models.heads.base import BLOCK, Head, Joined, Training
from zsvideo.options import parse

log = logging.getLogger(__name__)
LEAST = 2  # classes on each side, or there is nothing to tell apart


@dataclass(frozen=True)
class Choice:
    """What was tried, and which options it left.

    Attributes:
        options: none of them open.
        held_out: how many classes were held out; 0 where nothing was open.
        tried: each set of the open options, with its `top1` in percent, the mean over these
            classes.
    """

    options: Any
    held_out: int = 0
    tried: Sequence[Mapping[str, Any]] = ()


def choose(kind: type[Head], options: Any, training: Training, draws: int, share: float) -> Choice:
    """Fit a head with several sets of options without some classes, and take the best on these.

    Args:
        kind: of the head.
        options: with None where a value shall be chosen.
        training: all that may be trained on.
        draws: sets that are tried, drawn from all combinations by the training's seed.
        share: of the classes, held out.

    Raises:
        UserError: there are too few classes.
    """
    values = dict(vars(options))
    open_ones = open_options(kind, values)
    if not open_ones:
        return Choice(options)
    count = len(training.vectors)
    held = max(LEAST, round(share * count))
    if count - held < LEAST:
        raise UserError(
            f"head: {count} classes are too few to hold {held} of them out and choose "
            f"{', '.join(open_ones)}; give them, such as head.{open_ones[0]}="
            f"{kind.choices[open_ones[0]][0]}"
        )
    rng = np.random.default_rng((training.seed, count))
    order = rng.permutation(count)
    unseen, seen = np.sort(order[:held]), np.sort(order[held:])
    sets = list(itertools.product(*(kind.choices[name] for name in open_ones)))
    chosen = sorted(rng.permutation(len(sets))[:draws])
    held_out = training.of_classes(unseen)
    fitted_on = replace(training.of_classes(seen), target_vectors=held_out.vectors)
    if training.target_rows is not None:
        fitted_on = replace(fitted_on, target_rows=Joined([(held_out.rows, held_out.chosen)]))
    tried = []
    for number in chosen:
        own = dict(zip(open_ones, sets[number], strict=True))
        head = make(kind, values | own, training)
        head.fit(fitted_on)
        tried.append({**own, "top1": class_accuracy(head, held_out)})
        log.info("head: %s", tried[-1])
    best = max(tried, key=lambda entry: entry["top1"])  # the first of equal ones
    names = {name: best[name] for name in open_ones}
    return Choice(parse(kind.Options, values | names, "head"), held, tried)


def open_options(kind: type[Head], values: Mapping[str, Any]) -> list[str]:
    """List the options that are to be chosen."""
    return [name for name, value in values.items() if value is None and name in kind.choices]


def opened(kind: type[Head], values: Mapping[str, Any]) -> dict[str, Any]:
    """Give these the first of their choices, for a head that is only looked at."""
    return {**values, **{name: kind.choices[name][0] for name in open_options(kind, values)}}


def make(kind: type[Head], values: Mapping[str, Any], training: Training) -> Head:
    """Make a head for features and vectors, with the random numbers of the training's seed.

    One that learns by mini-batches lies on the training's device; a closed form takes no GPU.
    """
    features, _ = training.read(np.arange(1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        options = parse(kind.Options, values, "head")
        head = kind(features.mean.shape[1], training.vectors.shape[1], options)
    return head.to(training.device) if list(head.parameters()) else head


def device_of(module: nn.Module) -> torch.device:
    """Return where a head or gate lies."""
    tensors = itertools.chain(module.parameters(), module.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


@torch.inference_mode()
def class_accuracy(head: Head, held_out: Training) -> float:
    """Measure top-1 on classes that a head has not seen, the mean over classes in percent."""
    scores = for_all(held_out, head, "scores", held_out.vectors)
    right = np.zeros(len(held_out.vectors))
    np.add.at(right, held_out.labels, scores.argmax(axis=1) == held_out.labels)
    counts = np.bincount(held_out.labels, minlength=len(right))
    return float(100 * np.mean(right[counts > 0] / counts[counts > 0]))


@torch.inference_mode()
def for_all(training: Training, module: nn.Module, method: str, *rest: Tensor) -> np.ndarray:
    """Ask a head or gate for all videos, block by block, where it lies: (V, ...) float32."""
    device, ask = device_of(module.eval()), getattr(module, method)
    moved = [tensor.to(device) for tensor in rest]
    blocks = (features.to(device) for features, _ in training.in_order(BLOCK))
    return torch.cat([ask(features, *moved).float().cpu() for features in blocks]).numpy()
