"""Made-up predictions, and finished runs as `zsvideo.experiment.scoring` writes them."""

import hashlib
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from zsvideo.evaluation.predictions import Predictions
from zsvideo.evaluation.record import SUMS, read_sums
from zsvideo.experiment.scoring import evaluations_of, score_run
from zsvideo.semantics.records import file_hash, lines_hash

WRITTEN = TemporaryDirectory(prefix="runs-")  # of this process
EVALUATIONS = {
    "half": {"_target_": "zsvideo.evaluation.protocols.half", "_partial_": True, "draws": 10},
    "full": {"_target_": "zsvideo.evaluation.protocols.full", "_partial_": True},
    "distance": {"_target_": "zsvideo.evaluation.transfer.distance", "_partial_": True},
}


def predictions(videos=1000, classes=30, dim=300, noise=10.0, seed=0, **more):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(classes, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = rng.integers(0, classes, videos)
    shaken = rng.normal(size=(videos, dim)) * noise / np.sqrt(dim)
    embeddings = (vectors[labels] + shaken).astype(np.float32)
    names = np.array([f"c{i:02d}" for i in range(classes)])
    return Predictions(np.arange(videos).astype(str), labels, embeddings, names, vectors, **more)


def trained(p, count=25, seed=3):
    vectors = np.random.default_rng(seed).normal(size=(count, p.class_vectors.shape[1]))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = np.array([f"t{i:02d}" for i in range(count)])
    return replace(p, trained_names=names, trained_vectors=vectors.astype(np.float32))


def listed(dataset, names):
    return {
        "dataset": dataset,
        "list_sha256": lines_hash(names),
        "count": len(names),
        "covered": len(names),
        "percent": 100.0,
        "without_vector": {},
        "same_vector": [],
        "replaced": {},
    }


def protocol(target_names, trained=("jump", "run")):
    kept = [{"name": n, "nearest": "own/c00", "distance": 0.5} for n in trained]
    return {
        "name": "targets",
        "rule": "tau",
        "tau": 0.05,
        "inclusive": False,
        "counts": {"classes": 3, "kept": 2, "removed": 1, "identical": 0, "paper": None},
        "source": {
            **listed("folder", list(trained)),
            "table": None,
            "kept": kept,
            "removed": [
                {
                    "name": "c00x",
                    "nearest": "own/c00",
                    "distance": 0.01,
                    "reason": "distance 0.0100 < 0.05",
                }
            ],
            "kept_sha256": lines_hash(list(trained)),
        },
        "kept_out": [listed("own", target_names)],
        "vectors": {"file": "toy.bin", "sha256": "0" * 64, "unit_words": True},
        "trained_classes": list(trained),
        "test_only": None,
        "leaks": [],
        "survivors": [],
        "targets": {"own": {**listed("own", target_names), "classes": target_names}},
    }


def finished_run(folder, predictions, **how):
    """Copy a finished run, which is written where there is none of these values; gives it."""
    key = hashlib.sha256(pickle.dumps([predictions, sorted(how.items())])).hexdigest()
    written = Path(WRITTEN.name) / key
    if not written.exists():
        write_run(written.with_suffix(".part"), predictions, **how).rename(written)
    shutil.copytree(written, folder, dirs_exist_ok=True)
    return folder


def write_run(folder, predictions, seed=0, clips=25, expected=None, **about):
    """Write a finished run, and show it; gives its folder."""
    names = [str(n) for n in predictions.class_names]
    predictions.save(folder / "predictions" / "own.npz")
    used = len(predictions.ids)
    counts = {"used": used, "found": used, "expected": expected or used, "unreadable": {}}
    held = {
        key: about.pop(key)
        for key in ("leaks", "pretrain", "class_vectors", "class_texts")
        if key in about
    }
    score_run(
        evaluations_of(EVALUATIONS),
        200,
        folder,
        {**protocol(names), **held},
        {"own": predictions},
        {"own": counts},
        {
            "source": None,
            "selection": "last",
            "seed": seed,
            "steps": 3,
            "test_clips": clips,
            "checkpoint": {"file": "last.ckpt", "sha256": "1" * 64},
            "setup": {"clips": {"test_clips": clips}, "model": {"backbone": "tiny"}},
            **about,
        },
    )
    return folder


def renew_sums(folder):
    """Write the hashes of a run's files anew, as one who changes them and knows of the hashes."""
    lines = [f"{file_hash(folder / name)}  {name}\n" for name in read_sums(folder)]
    (folder / SUMS).write_text("".join(lines))
