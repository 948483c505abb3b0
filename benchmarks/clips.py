"""Training clips a second and core from generated videos, decode and transforms included.

The two domains of the generated set are read in turns; medians over the rounds are printed.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from src.data.clips import Clips, ClipSpec
from src.data.layouts import class_folders
from src.data.synthetic import class_split, generate

SPEC = ClipSpec(16, 25, 128, 112, 0.5, "loop")
ROUNDS = 7


def rate(clips: Clips, epoch: int) -> float:
    """Read one sample a video and give clips a second."""
    started = time.perf_counter()
    count = sum(clips[(epoch, index)]["clips"].shape[0] for index in range(len(clips)))
    return count / (time.perf_counter() - started)


def main() -> None:
    """Print one line a domain and mode."""
    _, classes = class_split(8, 0, 0)
    vectors = {name: np.zeros(300) for name in classes}
    with tempfile.TemporaryDirectory() as folder:
        readers = {}
        for domain in ("source", "target"):
            root = Path(folder) / domain
            generate(root, classes, 4, domain, 0)
            for train in (True, False):
                kind = "training" if train else "25-clip test"
                readers[f"{domain}, {kind}"] = Clips(class_folders(root), vectors, SPEC, 0, train)
        rates: dict[str, list[float]] = {name: [] for name in readers}
        for epoch in range(ROUNDS):
            for name, clips in readers.items():
                rates[name].append(rate(clips, epoch))
    for name, seen in rates.items():
        print(f"{name}: {statistics.median(seen):.0f} clips/s (median of {ROUNDS}, one process)")


if __name__ == "__main__":
    main()
