"""Work at the size of Kinetics-700: the first step of a training, and the audit's index.

Each measurement runs in a process of its own. `--code OTHER/src` takes the source of another
checkout, so that one run gives figures before and after a change.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

VIDEOS, LINKS = (
    541_624,
    60_000,
)  # videos of Kinetics-700 (Sec. 4.1); hard links that a file may have
HERE = Path(__file__).parents[1]


def kinetics(folder: Path, count: int) -> None:
    """Imitate Kinetics-700 by hard links to tiny videos: folders of classes, and a manifest."""
    from gensim.models import KeyedVectors

    from benchmarks.videos import textured, write
    from zsvideo.data.manifest import COLUMNS, write_table
    from zsvideo.semantics.words import class_names, words

    names = class_names("kinetics700")
    first = folder / "first"
    write(first.with_suffix(".mp4"), "libx264", textured(20, 40, 56, 0), 25, {"g": "12"})
    rows, links = [], []
    for number in range(count):
        if number % LINKS == 0:
            links.append(folder / f"{number}.mp4")
            links[-1].write_bytes(first.with_suffix(".mp4").read_bytes())
        name = names[number % len(names)]
        file = folder / "train" / name.strip("/") / f"k{number:010d}_000010_000020.mp4"
        file.parent.mkdir(parents=True, exist_ok=True)
        os.link(links[-1], file)
        about = {"id": f"{name}/{file.name}", "path": file, "class": name}
        rows.append(about | {"frames": 20, "claimed": 20, "status": "ok", "prepared": file})
    (folder / "prepared").mkdir()
    write_table(folder / "prepared" / "manifest.csv", COLUMNS, rows)
    target = folder / "target" / "running"
    target.mkdir(parents=True)
    os.link(links[0], target / "a.mp4")
    needed = sorted({word for name in names for word in words(name, "kinetics700")} | {"run"})
    vectors = KeyedVectors(20)
    vectors.add_vectors(needed, np.random.default_rng(0).normal(size=(len(needed), 20)))
    vectors.save_word2vec_format(str(folder / "toy.bin"), binary=True)


def private(process: int | str) -> float:
    """Give the memory in MB that a process has changed and shares with no other one."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    return int(re.search(r"Private_Dirty:\s+(\d+)", rollup)[1]) / 1024  # type: ignore[index]


def workers() -> list[int]:
    """List the processes that this one has started."""
    return [int(p) for p in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def start(root: str, folder: Path, samples: int) -> None:
    """Train for an epoch: time and memory at its first step, growth of the workers to its last.

    The growth on the way, of the worker that grew most, goes to standard error.

    The network is put aside after the first step, so that the workers have all there is to do.
    """
    from zsvideo.commands.train import main
    from zsvideo.models.module import ZeroShotModule

    begun, step = float(os.environ["BEGUN"]), ZeroShotModule.training_step
    seen: dict[str, Any] = {}
    before: list[float] = []
    batches = samples // 22

    def watched(self: Any, batch: Any, index: int) -> Any:
        if index == 0:
            seen.update({"s": time.time() - begun, "processor s": sum(os.times()[:4])})
            status = Path("/proc/self/status").read_text()
            for name in ("VmRSS", "VmHWM"):
                kilobytes = re.search(rf"{name}:\s+(\d+)", status)
                seen[f"main {name} MB"] = int(kilobytes[1]) / 1024  # type: ignore[index]
            return step(self, batch, index)
        if index == 20:  # both workers are at work
            before.extend(private(p) for p in workers())
        if index == batches - 1 or (index % 1000 == 20 and index > 20):
            after = [private(p) for p in workers()]
            grown = max(b - a for a, b in zip(before, after, strict=True))
            print(f"{index * 22} clips: {grown:.1f} MB", file=sys.stderr, flush=True)
        if index == batches - 1:
            seen.update({"worker MB": max(after), "grown MB": grown})
            seen["epoch s"] = time.time() - begun - seen["s"]
            print(json.dumps(seen), flush=True)
            for process in workers():
                os.kill(process, 9)
            os._exit(0)
        return sum(p.sum() for p in self.parameters()) * 0

    ZeroShotModule.training_step = watched  # type: ignore[method-assign]
    sys.argv[1:] = [
        "source=kinetics700",
        f"source.root={root}",
        "target=[folder]",
        f"target.folder.root={folder}/target",
        "protocol=targets",
        "semantics=word2vec",
        f"semantics.path={folder}/toy.bin",
        "model=tiny",
        "clips.short_side=40",
        "clips.crop=32",
        f"loader.epoch_samples={samples}",
        "trainer.accelerator=cpu",
        f"hydra.run.dir={folder}/run",
        f"paths.cache={folder}/cache",
    ]
    main()
    raise SystemExit("no step")


def index(videos: int) -> dict[str, Any]:
    """Find likely pairs between two sides of so many made-up videos, of 10 s each."""
    from zsvideo.data.content import likely_pairs

    sides = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        first = rng.integers(0, 2**64, (videos, 1), dtype=np.uint64)
        changed = np.uint64(1) << rng.integers(0, 64, (videos, 50, 3)).astype(np.uint64)
        flips = np.bitwise_xor.accumulate(np.bitwise_xor.reduce(changed, axis=2), axis=1)
        sides.append([*np.repeat(first ^ flips, 2, axis=1)])  # a frame changes every 0.2 s
    sides[1][::100] = sides[0][::100]  # the same video
    begun = time.process_time()
    pairs = sum(1 for _ in likely_pairs(sides[0], sides[1]))
    return {"videos": videos, "planted": -(-videos // 100), "pairs": pairs} | {
        "processor s": time.process_time() - begun
    }


def measure(code: str, *step: str) -> dict[str, Any]:
    """Run a step of this file in a fresh process with some checkout's source."""
    variables = {"PYTHONPATH": f"{code}:{HERE}", "OMP_NUM_THREADS": "1", "BEGUN": str(time.time())}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--step", *step],
        env=os.environ | variables,
        cwd=HERE,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return {key: round(value, 2) for key, value in measured.items()}


def main() -> None:
    """Measure all; takes a few GB of memory, and of disk in the working directory for a while."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--code", nargs="*", default=[str(HERE / "src")])
    parser.add_argument("--videos", type=int, default=VIDEOS)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--step", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, *values = options.step
        if name == "index":
            return print(json.dumps(index(int(values[0]))))
        return start(values[0], Path(values[1]), int(values[2]))
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        kinetics(folder, options.videos)
        for root in (folder / "prepared", folder):
            for code in options.code:
                done = measure(code, "start", str(root), str(folder), str(options.samples))
                print("manifest" if root != folder else "folders", code, done, flush=True)
    for videos in (1_000, 10_000, 100_000):
        for code in options.code:
            print("audit", code, measure(code, "index", str(videos)), flush=True)


if __name__ == "__main__":
    main()
