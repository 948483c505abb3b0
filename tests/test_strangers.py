"""What comes from a stranger runs no code: options, run folders, checkpoints, arrays, vectors."""

import csv
import json
import logging
import pickle
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from omegaconf import OmegaConf
from rich.markup import escape
from rich.table import Table as RichTable

from helpers.commands import fails, finished
from helpers.runs import finished_run, predictions, renew_sums, write_run
from helpers.strangers import Code, pickled
from zsvideo.cli import line, name_as_typed, stored_options
from zsvideo.data.datasets import video_set
from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import Predictions
from zsvideo.experiment.composed import check_options
from zsvideo.experiment.jobs import is_finished
from zsvideo.experiment.scoring import evaluations_of
from zsvideo.models.checkpoints import newest, read_checkpoint
from zsvideo.models.weights import read_file
from zsvideo.prediction.loading import read_model
from zsvideo.prediction.results import write_answers
from zsvideo.prediction.sheet import write_html
from zsvideo.prediction.terminal import Table
from zsvideo.reporting.compare import write_comparison
from zsvideo.reporting.run import Run
from zsvideo.reporting.studies.files import latex, markdown, write_csv
from zsvideo.resources import ROOT
from zsvideo.semantics.files import read_vectors
from zsvideo.semantics.vectors import WordVectors
from zsvideo.targets import instantiate, load_target
from zsvideo.texts import SafeConsole, printable

TESTS = {"PYTHONPATH": str(ROOT / "tests")}
HARM = "helpers.strangers.touch"
PLACES = [
    "+callbacks.x",
    "+logger.x",
    "+evaluation.x",
    "+trainer.strategy",
    "+trainer.plugins.0",
    "source",
    "target.ucf101",
    "+pretrain.source",
    "semantics",
    "+model.x.y",
]


@pytest.fixture
def marker(tmp_path):
    """The file that a stranger's code would leave; there must be none."""
    file = tmp_path / "code-ran"
    yield file
    assert not file.exists(), "code of a stranger ran"


def named(place, marker, name=HARM):
    return [f"{place}._target_={name}", f"+{place.lstrip('+')}.file={marker}"]


@pytest.mark.parametrize("place", PLACES)
def test_no_option_names_code(config, marker, place):
    typed = named(place.replace("+trainer.strategy", "trainer.strategy"), marker)
    if place == "+trainer.strategy":
        typed = [f"trainer.strategy={{_target_:{HARM},file:{marker}}}"]
    with pytest.raises(UserError, match=rf"_target_={HARM} is refused.*ZSVIDEO_TARGETS={HARM}"):
        check_options(config(*typed))


@pytest.mark.parametrize(
    "name",
    [
        HARM,
        "os.system",
        "numpy.load",
        "torch.load",
        "joblib.load",
        "gensim.utils.unpickle",
        "builtins.eval",
        "hydra.utils.get_method",
        "zsvideo.evaluation.record.write_text",
        "zsvideo.data.datasets.base.Path",
        "zsvideo.data.datasets.base.csv",
        "zsvideo.evaluation.protocols.json.loads",
        "zsvideo.models.callbacks.RichProgressBar.__init__",
        "pytorch_lightning.callbacks.LambdaCallback",
        "pytorch_lightning.callbacks.os",
        "zsvideo.data.datasets..touch",
        "",
        None,
        5,
    ],
)
def test_only_what_is_offered_may_be_named(name):
    for make in (load_target, lambda name, key: instantiate({"_target_": name}, key)):
        with pytest.raises(UserError, match=r"^x(\._target_)?="):
            make(name, "x")


def test_what_stands_within_is_checked_too(marker):
    inner = {"_target_": HARM, "file": str(marker)}
    good = "zsvideo.evaluation.protocols.full"
    with pytest.raises(UserError, match=r"evaluation\.x\.classes\.0\._target_"):
        evaluations_of({"x": {"_target_": good, "_partial_": True, "classes": [inner]}})


def test_a_name_made_by_interpolation_is_checked_when_it_is_made(config, marker):
    """A resolver can give a mapping that nobody sees in the config as composed."""
    payload = f"{{_target_:{HARM},file:{marker}}}"
    made = OmegaConf.create({"callbacks": {"x": "${oc.decode:'" + payload + "'}"}})
    values = OmegaConf.to_container(made, resolve=True)
    with pytest.raises(UserError, match="is refused"):
        instantiate(values["callbacks"]["x"], "callbacks.x")
    with pytest.raises(UserError, match="is refused"):
        check_options(config("+callbacks.x._target_=${seed}"))


def test_own_classes_are_allowed_by_the_environment(monkeypatch, tmp_path):
    values = {"_target_": HARM, "file": str(tmp_path / "own")}
    for allowed in (HARM, "helpers", "other, helpers.strangers"):
        monkeypatch.setenv("ZSVIDEO_TARGETS", allowed)
        instantiate(values, "callbacks.x")
        assert (tmp_path / "own").exists()
    for other in ("helpers.strang", "", ",", "helpers.strangers.touch.more"):
        monkeypatch.setenv("ZSVIDEO_TARGETS", other)
        with pytest.raises(UserError, match="is refused"):
            instantiate(values, "callbacks.x")


HYDRAS = [
    named("+hydra.callbacks.x", "FILE"),
    ["+hydra.callbacks.x='${oc.decode:\"{_target_:" + HARM + ",file:FILE}\"}'"],
    [f"+hydra.job_logging.handlers.x.class={HARM}", "+hydra.job_logging.handlers.x.file=FILE"],
    ["hydra/job_logging=planted", "--config-dir=CONF"],
    [*named("+hydra.launcher.x", "FILE"), "seed=0,1", "-m"],
    [*named("+hydra.sweeper.x", "FILE"), "seed=0,1", "-m"],
]


@pytest.mark.slow
@pytest.mark.parametrize("typed", HYDRAS, ids=lambda typed: typed[0][:30])
def test_hydra_makes_nothing_else(cli, folders, tmp_path, marker, typed):
    (tmp_path / "hydra" / "job_logging").mkdir(parents=True)
    logging = {
        "version": 1,
        "root": {"handlers": []},
        "filters": {"x": {"()": HARM, "file": str(marker)}},
    }
    (tmp_path / "hydra" / "job_logging" / "planted.yaml").write_text(yaml.safe_dump(logging))
    typed = [word.replace("FILE", str(marker)).replace("CONF", str(tmp_path)) for word in typed]
    fails(cli("train", *folders, f"hydra.run.dir={tmp_path}/run", *typed, **TESTS), "is refused")


STORED = [
    f"+hydra.callbacks.x._target_={HARM}",
    "hydra.run.dir=/elsewhere",
    "hydra/launcher=joblib",
    "+hydra={callbacks:{}}",
    "++hydra.job.env_set.PATH=/evil",
    "--config-dir=/evil",
    "-cd=/evil",
    "--config-path=/evil",
    "-m",
]


@pytest.mark.parametrize("option", STORED)
def test_a_stored_run_does_not_change_how_hydra_works(tmp_path, option):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(["seed=1", option]))
    with pytest.raises(UserError, match="which no run stores"):
        stored_options(tmp_path, "resume")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_a_run_folder_of_a_stranger(cli, folders, tmp_path, marker, command):
    """Nor does its record keep what stands in the environment."""
    run = tmp_path / "run"
    typed = ["trainer.max_epochs=1", f"hydra.run.dir={run}", "study.name=${oc.env:TOKEN}"]
    finished(cli("train", *folders, *typed, TOKEN="a-secret"))
    kept = {f.name for f in run.rglob("*") if f.is_file() and b"oc.env:TOKEN" in f.read_bytes()}
    assert {"last.ckpt", "hparams.yaml"} <= kept
    assert not [f for f in run.rglob("*") if f.is_file() and b"a-secret" in f.read_bytes()]
    file = run / ".hydra" / "overrides.yaml"
    stored = yaml.safe_load(file.read_text())
    option = "ckpt" if command == "evaluate" else "resume"
    for place in ("+callbacks.x", "+evaluation.x", "+logger.x"):
        file.write_text(yaml.safe_dump([*stored, *named(place, marker)]))
        words = (f"{place[1:]}._target_={HARM} is refused",)
        typed = [f"{option}={run}", f"hydra.run.dir={tmp_path}/out"]
        fails(cli(command, *typed, TOKEN="a-secret", **TESTS), *words)


def test_a_config_of_a_strangers_job_and_of_a_checkpoint(config, marker, tmp_path):
    """A sweep hashes the stored config of a job, a resumed run that in its checkpoint."""
    run = finished_run(tmp_path / "run", predictions(videos=20, classes=3))
    (run / ".hydra").mkdir()
    composed = config("source=folder", "source.root=x", f"source._target_={HARM}")
    OmegaConf.save(composed, run / ".hydra" / "config.yaml")
    assert not is_finished(run, "0")
    with pytest.raises(UserError, match=f"{HARM} is refused"):
        video_set({"_target_": HARM, "root": str(marker)}, "source")


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "tar"])
def test_no_checkpoint_runs_code(marker, tmp_path, kind):
    file = tmp_path / "run" / "checkpoints" / "last.ckpt"
    file.parent.mkdir(parents=True)
    content = {"state_dict": {}, "hyper_parameters": Code(marker)}
    if kind == "pickle":
        file.write_bytes(pickled(marker))
    elif kind == "tar":
        import tarfile

        (tmp_path / "pickle").write_bytes(pickled(marker))
        with tarfile.open(file, "w") as archive:
            archive.add(tmp_path / "pickle", "pickle")
    else:
        torch.save(content, file, _use_new_zipfile_serialization=kind == "zip")
    assert read_checkpoint(file) is None and newest(file.parent) is None
    for read in (lambda f: read_file(f, "ckpt"), read_model):
        with pytest.raises(UserError, match=r"last\.ckpt"):
            read(file)


def test_no_array_file_runs_code(marker, tmp_path):
    run = finished_run(tmp_path / "run", predictions(videos=20, classes=3))
    file = run / "predictions" / "own.npz"
    planted = np.array([Code(marker)], dtype=object)
    with np.load(file) as arrays:
        content = dict(arrays)
    for name in ("ids", "embeddings", "class_names", "dataset"):
        np.savez(file, **{**content, name: planted}, allow_pickle=True)
        renew_sums(run)
        with pytest.raises(UserError, match=r"own\.npz holds no predictions"):
            Predictions.load(file)
    file.write_bytes(pickled(marker))  # np.load takes a bare pickle for an array too
    with pytest.raises(UserError, match=r"own\.npz holds no predictions"):
        Predictions.load(file)


@pytest.mark.parametrize("content", ["pickle", "objects"])
def test_no_cache_runs_code(marker, tmp_path, folders, content):
    def write(file):
        if content == "pickle":
            file.write_bytes(pickled(marker))
        else:
            np.savez(file, **dict.fromkeys(("matrix", "lengths", "notes"), np.array(Code(marker))))

    vectors = WordVectors(str(tmp_path / "toy.bin"), str(tmp_path / "cache"))
    before = vectors.of(["jump", "run"], "own", None).matrix
    (file,) = (tmp_path / "cache").glob("class-vectors-*.npz")
    write(file)
    again = WordVectors(str(tmp_path / "toy.bin"), str(tmp_path / "cache"))
    assert np.array_equal(again.of(["jump", "run"], "own", None).matrix, before)

    run = finished_run(tmp_path / "run", predictions(videos=20, classes=3))
    (run / "samples").mkdir()
    write(run / "samples" / "own.npz")
    with pytest.raises(UserError, match=r"samples/own\.npz is damaged"):
        Run(run).samples("own")


@pytest.mark.parametrize("name", ["a.kv", "a.bin", "a.txt", "a.vec", "a.bin.gz"])
def test_no_file_of_vectors_runs_code(marker, tmp_path, name):
    file = tmp_path / name
    file.write_bytes(pickle.dumps({"vectors": Code(marker)}))
    with pytest.raises(UserError, match=r"semantics\.path"):
        read_vectors(file, {"jump"})
    file.write_bytes(pickled(marker))
    with pytest.raises(UserError, match=r"semantics\.path"):
        read_vectors(file, {"jump"})


NAMES = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "![t](http://evil/t.png)",
    "a|b",
    "`code`",
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b2J",
    "line\nbreak\r",
    "\u202egnp.exe",
    "\\input{/etc/passwd}",
    "$\\frac$ 5% #_~^&",
    "[bold]x[/bold]",
    "plain",
]
STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def check_markdown(text):
    assert not STEERS.search(text) and not re.search(r"(?<!\\)<", text)
    assert not re.search(r"(?<!\\)\](?=\()", text), "a link"
    return {len(re.findall(r"(?<!\\)\|", li)) for li in text.splitlines() if li.startswith("| ")}


def check_csv(file):
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.reader(opened))
    cells = [cell for row in rows for cell in row]
    assert cells and not [c for c in cells if re.match(r"[=+@\t\r]|-.*[^\d.]", c)]
    return rows


def test_names_in_all_that_a_run_writes(tmp_path, capsys):
    """In tables, cards, figures and on the terminal; records keep them as they are."""
    own = predictions(videos=5 * len(NAMES), classes=len(NAMES), noise=20.0)
    own = replace(own, class_names=np.array(NAMES))
    runs = [write_run(tmp_path / n, own, seed=s) for s, n in enumerate(("=a|b", "[x](c)<i>"))]
    write_comparison([str(run) for run in runs], False, None, 10, tmp_path / "out")
    assert not STEERS.search(capsys.readouterr().out)
    for file in (runs[0] / "results.md", runs[0] / "card.md", tmp_path / "out" / "comparison.md"):
        check_markdown(file.read_text())
    diagnosis = json.loads((runs[0] / "analysis" / "own.json").read_text())
    assert [row["class"] for row in diagnosis["per_class"]] == NAMES
    rows = check_csv(runs[0] / "analysis" / "own_confusion.csv")
    counts = np.array([row[1:] for row in rows[1:]], int)
    assert [row[0] for row in rows[1:]] == rows[0][1:] and rows[0][1] == "'" + NAMES[0]
    assert np.array_equal(counts.sum(axis=1), np.bincount(own.labels))
    assert counts.trace() == (own.nearest() == own.labels).sum()
    assert (runs[0] / "figures" / "own_confusion.png").is_file()


def test_names_in_the_tables_of_studies(tmp_path):
    rows = [{"row": name, "from": name, "value": 1.5} for name in NAMES]
    assert check_markdown(markdown(rows)) == {4}
    write_csv(rows, tmp_path / "a.csv")
    assert len(check_csv(tmp_path / "a.csv")) == len(rows) + 1
    text = latex(rows)
    assert not STEERS.search(text) and r"\input" not in text and r"\frac" not in text
    assert len(text.splitlines()) == len(latex([{**rows[0], "row": "a"}] * len(rows)).splitlines())


def test_names_in_the_answers_of_a_prediction(tmp_path):
    def answer(name):
        near = [{"name": name, "distance": 0.1}]
        return {"name": name, "score": 0.5, "probability": None, "nearest": near, "notes": [name]}

    def video(name):
        top = [answer(name)]
        span = {"start": 0.0, "end": 1.0, "top": top, "none_of_these": False}
        about = {"path": name, "status": "ok", "reason": None, "none_of_these": False}
        return {**about, "top": top, "spans": [span]}

    failed = {"status": "failed", "reason": NAMES[5], "top": [], "spans": []}
    entries = [video(name) for name in NAMES] + [{**video(n), **failed} for n in NAMES]
    write_answers(tmp_path / "a.csv", iter(entries))
    assert len(check_csv(tmp_path / "a.csv")) == 3 * len(NAMES) + 1
    model = {"place": NAMES[5], "trained_classes": 2, "trained_on": NAMES[6], "none_of_these": None}
    header = {
        "model": model,
        "classes": [{"name": name} for name in NAMES],
        "counts": {"videos": len(entries), "failed": 1},
        "warnings": NAMES,
    }
    write_html(tmp_path / "a.html", header, iter(entries))
    parsed = Elements((tmp_path / "a.html").read_text())
    assert "script" not in parsed.tags and set(parsed.sources) == set()
    assert not [name for name in parsed.attributes if name.startswith("on")]


class Elements(HTMLParser):
    """The tags of a page, the names of their attributes, and what they load."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.sources = set(), set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.sources += [value for name, value in attrs if name in ("src", "href")]


def test_names_on_the_terminal(capsys):
    """In the table of a prediction, log lines and errors of every command."""
    for name in NAMES:
        record = logging.LogRecord("a", logging.WARNING, "f", 1, "class %s", (name,), None)
        assert name_as_typed(record) and not STEERS.search(record.getMessage())
        assert not STEERS.search(line(UserError(name)))
        assert not STEERS.search(printable(name)) and "\n" not in printable(name)
        SafeConsole().print(escape(name), escape(f"a {name}"), RichTable(name, title=name))
    out = capsys.readouterr().out
    assert not STEERS.search(out) and "[bold]x[/bold]" in out and "plain" in out
    table = Table(sys.stdout, [], SimpleNamespace(bank=SimpleNamespace(names=NAMES)))
    for name in NAMES:
        table.row(name, name, "0.5", "", name)
    out = capsys.readouterr().out
    assert not STEERS.search(out) and len(out.splitlines()) == len(NAMES) + 1


def test_the_planted_code_would_run(tmp_path):
    """Else the tests above would show nothing."""
    for number, load in enumerate(
        [
            lambda file, data: pickle.loads(data),
            lambda file, data: np.load(file, allow_pickle=True),
            lambda file, data: torch.load(file, weights_only=False),
        ]
    ):
        marker, file = tmp_path / f"ran{number}", tmp_path / f"file{number}"
        file.write_bytes(pickled(marker))
        with pytest.raises(Exception) if number == 2 else np.errstate():
            load(file, file.read_bytes())
        assert marker.exists()
