"""Records that are cut, filled with zeros or of another type: one line, in every command."""

import io
import json
import random
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from omegaconf import OmegaConf

from helpers.commands import fails
from helpers.runs import finished_run, predictions
from zsvideo.cli import line
from zsvideo.commands import evaluate
from zsvideo.commands.report import report
from zsvideo.commands.train import resumed_options
from zsvideo.data.fingerprints import fingerprints
from zsvideo.errors import UserError
from zsvideo.experiment import training
from zsvideo.experiment.build import read_protocol
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.jobs import is_finished, job_hash
from zsvideo.overrides import readable
from zsvideo.prediction.loading import read_model
from zsvideo.reporting.studies.study import Study
from zsvideo.semantics.caches import cached_arrays
from zsvideo.semantics.vectors import WordVectors

pytestmark = pytest.mark.slow

DAMAGE = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "list": lambda data: b"[3]",
    "number": lambda data: b"3",
    "bytes": lambda data: bytes(range(256)),
}
# What reads each file, and the damages with which it goes on: it needs no more of the file.
READERS = {
    "metrics.json": {"report": [], "compare": [], "rescore": [], "predict": []},
    "protocol.json": {
        "report": [],
        "compare": [],
        "rescore": [],
        "predict": [],
        "evaluate": [],
        "pretrain": [],
    },
    "checkpoints/last.ckpt": {"predict": [], "evaluate": [], "resume": [], "pretrain": []},
    ".hydra/overrides.yaml": {"evaluate": [], "resume": []},
    "metrics.csv": {"resume": ["cut", "empty", "zeros", "list", "number"]},
    "predictions/folder.npz": {"report": [], "compare": [], "rescore": []},
    "SHA256SUMS": {"report": ["empty"], "compare": ["empty"], "rescore": ["empty"]},
    "samples/folder.npz": {"report": []},
}
CASES = [
    (file, reader, damage) for file, own in READERS.items() for reader in own for damage in DAMAGE
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train one run for all damages; gives its folder and a way to compose its options."""
    from hydra import compose, initialize_config_dir

    from helpers.vectors import toy_vectors
    from helpers.videos import grey_video
    from zsvideo.experiment.folder import CONFIG, OPTIONS
    from zsvideo.resources import CONF

    top = tmp_path_factory.mktemp("damage é,[1]=a 'b' #2")
    words = ["jump", "run", "swim", "climb", "read", "write"]
    toy_vectors(words).save_word2vec_format(str(top / "toy.bin"), binary=True)
    for number, word in enumerate(words):
        for video in range(2):
            place = "source" if number < 3 else "target"
            grey_video(top / place / word / f"{video}.avi", 18 + number)
    options = [
        "source=folder",
        f"source.root={top}/source",
        "target=[folder]",
        f"target.folder.root={top}/target",
        "protocol=targets",
        "semantics=word2vec",
        f"semantics.path={top}/toy.bin",
        "model=tiny",
        "clips.short_side=40",
        "clips.crop=32",
        "clips.test_clips=1",
        "loader.batch_size=4",
        "loader.workers=0",
        "trainer.max_epochs=1",
        "trainer.accelerator=cpu",
        f"paths.cache={top}/cache",
        "resamples=5",
    ]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        configs = {
            "report": compose("report"),
            "evaluate": compose("evaluate", readable(options)),
            "train": compose("train", readable(options)),
        }
    whole = top / "whole"
    configs["train"].paths.run = str(whole)
    training.train(configs["train"], whole)
    (whole / ".hydra").mkdir()
    (whole / OPTIONS).write_text(json.dumps(options))
    (whole / CONFIG).write_text(OmegaConf.to_yaml(configs["train"]))
    return whole, configs


@pytest.fixture
def read(trained, tmp_path):
    """Read a run's folder as a command does."""
    whole, configs = trained
    run, out = tmp_path / "run", tmp_path / "out"

    def composed(command, **values):
        config = configs[command].copy()
        for key, value in values.items():
            OmegaConf.update(config, key.replace("__", "."), value)
        return config

    def reader(name):
        if name == "report":
            return report(composed("report", run=str(run)))
        if name == "compare":
            return report(composed("report", compare=[str(whole), str(run)], out=str(out)))
        if name == "predict":
            return read_model(run)
        if name in ("evaluate", "rescore"):
            option = "ckpt" if name == "evaluate" else "predictions"
            evaluate.run_options(readable([f"{option}={run}"]))
            config = composed("evaluate", paths__run=str(out), **{option: str(run)})
            return evaluate.tested(config, Experiment.of(config), out)
        if name == "resume":
            resumed_options(readable([f"resume={run}"]))
            values = {"paths__run": str(run), "resume": str(run), "trainer__max_epochs": 2}
            return training.train(composed("train", **values), run)
        values = {"paths__run": str(out), "pretrain__ckpt": str(run)}
        return training.train(composed("train", **values), out)

    shutil.copytree(whole, run)
    return run, reader


@pytest.mark.parametrize(("file", "name", "damage"), CASES)
def test_a_damaged_record_is_one_line(read, file, name, damage):
    run, reader = read
    (run / file).write_bytes(DAMAGE[damage]((run / file).read_bytes()))
    if damage in READERS[file][name]:
        reader(name)
        return
    with pytest.raises(UserError) as told:
        reader(name)
    assert "\n" not in line(told.value) and str(run) in line(told.value)


OTHERS = (5, "x", [], {}, None, [5], {"a": 5}, True)


def mutations(value, path=(), depth=3):
    """Give each value of nested mappings another type."""
    for key, inner in value.items():
        yield from (((*path, key), other) for other in OTHERS if other != inner)
        if isinstance(inner, dict) and depth:
            yield from mutations(inner, (*path, key), depth - 1)


def test_values_of_another_type_deep_within(tmp_path, trained, read, capsys):
    """A sample: every value of both records was tried once, by the same walk."""
    whole, _ = trained
    run, reader = read
    for file in ("metrics.json", "protocol.json"):
        content = json.loads((whole / file).read_text())
        for path, other in random.sample([*mutations(content)], 25):
            changed = json.loads((whole / file).read_text())
            inner = changed
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = other
            (run / file).write_text(json.dumps(changed))
            for name in ("report", "compare", "rescore"):
                try:
                    reader(name)
                except UserError as error:
                    assert "\n" not in line(error), (path, other, name)
        shutil.copy(whole / file, run / file)


@pytest.mark.parametrize("damage", DAMAGE)
def test_lists_of_jobs_and_hashes_of_vectors(tmp_path, config, monkeypatch, damage):
    jobs = {"study": {"name": "fig8"}, "jobs": [{"folder": "a", "axes": {"seed": 0}}]}
    (tmp_path / "jobs.json").write_bytes(DAMAGE[damage](json.dumps(jobs).encode()))
    with pytest.raises(UserError, match=r"jobs\.json is damaged; run"):
        Study.load(tmp_path)
    monkeypatch.setattr("zsvideo.semantics.vectors.LARGE", 0)
    (tmp_path / "a.bin").write_bytes(b"vectors")
    known = WordVectors(str(tmp_path / "a.bin"), str(tmp_path)).sha256
    (note,) = tmp_path.glob("sha256-*.txt")
    note.write_bytes(DAMAGE[damage](known.encode()))
    assert WordVectors(str(tmp_path / "a.bin"), str(tmp_path)).sha256 == known


CACHES = {
    **DAMAGE,
    "flipped": lambda data: data[:-200] + bytes([data[-200] ^ 255]) + data[-199:],
    "array": lambda data: stored(np.save, np.zeros(3)),
    "others": lambda data: stored(np.savez, a=np.zeros(3)),
    "text": lambda data: stored(np.savez, **dict.fromkeys(ARRAYS, np.array("[3]"))),
    "rows": lambda data: stored(np.savez, **dict.fromkeys(ARRAYS, np.zeros((1, 2)))),
    "notes": lambda data: stored(
        np.savez, matrix=np.ones((2, 20)), lengths=np.ones(2), notes=np.array('{"jump": 3}')
    ),
}
ARRAYS = ("matrix", "lengths", "notes", "weight", "bias")


def stored(save, *arrays, **named):
    content = io.BytesIO()
    save(content, *arrays, **named)
    return content.getvalue()


@pytest.mark.parametrize("damage", CACHES)
def test_a_damaged_layer_of_features_is_none(tmp_path, damage):
    """The components of `features.pca`, as any cache of arrays."""
    shapes = {"weight": ("f", (2, 3)), "bias": ("f", (2,))}
    whole = stored(np.savez, weight=np.ones((2, 3)), bias=np.zeros(2))
    (tmp_path / "a.npz").write_bytes(whole)
    assert set(cached_arrays(tmp_path / "a.npz", **shapes)) == {"weight", "bias"}
    (tmp_path / "a.npz").write_bytes(CACHES[damage](whole))
    assert cached_arrays(tmp_path / "a.npz", **shapes) is None
    assert cached_arrays(tmp_path, **shapes) is None


@pytest.fixture
def prints(monkeypatch):
    """Fingerprint videos, in this process."""
    within = "zsvideo.data.fingerprints.within"
    monkeypatch.setattr(within, lambda limit, work, jobs, cores: [work(*job) for job in jobs])
    return fingerprints


@pytest.mark.parametrize("damage", CACHES)
def test_a_damaged_cache_is_made_again(tmp_path, folders, prints, damage):
    """Class vectors, that every command reads; fingerprints of `audit`; features are above it."""

    def vectors():
        own = WordVectors(str(tmp_path / "toy.bin"), str(tmp_path / "cache"))
        return own.of(["jump", "run"], "own", None).matrix

    before = vectors()
    (file,) = (tmp_path / "cache").glob("class-vectors-*.npz")
    whole = file.read_bytes()
    file.write_bytes(CACHES[damage](whole))
    assert np.array_equal(vectors(), before) and len(file.read_bytes()) == len(whole)

    videos = [str(file) for file in sorted((tmp_path / "source" / "jump").iterdir())]
    before, _ = prints(videos, tmp_path / "prints")
    file = tmp_path / "prints" / "fingerprints.sqlite"
    file.write_bytes(CACHES[damage](file.read_bytes()))
    again, unreadable = prints(videos, tmp_path / "prints")
    assert not unreadable and all(np.array_equal(again[v], before[v]) for v in videos)


@pytest.mark.parametrize(
    "rows", [[("KEY", "text")], [("KEY", b"odd")], [("KEY", None)], [(b"\xff", 3)]]
)
def test_rows_of_another_type_in_the_fingerprints(tmp_path, folders, prints, rows):
    video = str(tmp_path / "source" / "jump" / "0.avi")
    before, _ = prints([video], tmp_path)
    with closing(sqlite3.connect(tmp_path / "fingerprints.sqlite")) as store:
        ((key, _),) = store.execute("select * from seen")
        named = [(key if name == "KEY" else name, value) for name, value in rows]
        store.executemany("insert or replace into seen values (?, ?)", named)
        store.commit()
    again, unreadable = prints([video], tmp_path)
    assert not unreadable and np.array_equal(again[video], before[video])


@pytest.mark.parametrize("missing", ["vectors", "source", "trained_classes"])
def test_a_protocol_that_lacks_what_is_needed(tmp_path, missing):
    run = finished_run(tmp_path / "run", predictions(videos=20, classes=3))
    content = json.loads((run / "protocol.json").read_text())
    del content[missing]
    (run / "protocol.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"protocol\.json is damaged"):
        read_protocol(run)


def test_a_damaged_config_is_no_finished_job(tmp_path, config):
    composed = config("source=synthetic", "target=[synthetic]", "protocol=targets")
    (tmp_path / ".hydra").mkdir()
    (tmp_path / "metrics.json").write_text("{}")
    for damage in DAMAGE.values():
        data = damage(OmegaConf.to_yaml(composed).encode())
        (tmp_path / ".hydra" / "config.yaml").write_bytes(data)
        assert not is_finished(tmp_path, job_hash(composed))


def test_a_place_that_cannot_be_written_is_one_line(cli, folders, tmp_path):
    run = tmp_path / "run"
    (run / "hparams.yaml").mkdir(parents=True)
    fails(
        cli("train", *folders, f"hydra.run.dir={run}"), "hparams.yaml", "cannot be read or written"
    )
