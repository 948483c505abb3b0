"""A tampered run is found, in one line that says where."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from helpers.commands import check_sums
from helpers.runs import finished_run, predictions, renew_sums, trained
from zsvideo.errors import UserError
from zsvideo.evaluation.integrity import Check, check_record, read_target
from zsvideo.evaluation.record import SUMS, VERSION, read_record, write_record
from zsvideo.reporting.card import protocol_card
from zsvideo.reporting.compare import write_comparison
from zsvideo.reporting.run import Run
from zsvideo.reporting.show import show_run


@pytest.fixture
def run(tmp_path):
    return finished_run(tmp_path / "run", trained(predictions(100)))


def read(run):
    return read_target(run, "own", read_record(run))


def test_an_untouched_run_is_read(run):
    assert len(read(run).ids) == 100 and read(run).trained_names is not None


@pytest.mark.parametrize("array", ["embeddings", "labels", "class_vectors", "class_names"])
def test_a_rewritten_file_is_not_the_runs(run, array):
    p = read(run)
    changed = getattr(p, array).copy()
    changed[0] = changed[1]
    replace(p, **{array: changed}).save(run / "predictions" / "own.npz")
    with pytest.raises(UserError, match=r"own\.npz is not the file that the run wrote"):
        read(run)


def test_without_that_note_content_is_still_compared(run):
    p = read(run)
    (run / SUMS).unlink()
    metrics = json.loads((run / "metrics.json").read_text())
    vectors = p.class_vectors[::-1].copy()
    replace(p, class_vectors=vectors).save(run / "predictions" / "own.npz")
    with pytest.raises(UserError, match="its vectors differ"):
        read(run)
    del metrics["targets"]["own"]["hashes"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(UserError, match=r"class vectors differ from the hash in protocol\.json"):
        read(run)
    names = p.class_names.copy()
    names[0] = "new"
    replace(p, class_names=names).save(run / "predictions" / "own.npz")
    with pytest.raises(UserError, match="has no 'new'"):
        read(run)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p["targets"]["own"]["classes"].pop(), "class list of target own"),
        (lambda p: p["targets"]["own"]["classes"].reverse(), "class list of target own"),
        (lambda p: p["source"]["kept"].pop(), "kept for training"),
        (lambda p: p.update(tau=0.2), r"protocol\.json is not the file"),
    ],
)
def test_a_changed_protocol_is_found(run, change, words):
    protocol = json.loads((run / "protocol.json").read_text())
    change(protocol)
    (run / "protocol.json").write_text(json.dumps(protocol))
    with pytest.raises(UserError, match=words):
        read(run)


def test_predictions_of_another_run_are_found(run, tmp_path):
    other = finished_run(tmp_path / "other", trained(predictions(100, seed=8)))
    shutil.copy(other / "predictions" / "own.npz", run / "predictions" / "own.npz")
    with pytest.raises(UserError, match="is not the file that the run wrote"):
        read(run)


def edit(run, change, resealed):
    """Edit metrics.json by hand, or as one who knows of the file of hashes."""
    metrics = json.loads((run / "metrics.json").read_text())
    change(metrics["targets"]["own"], metrics)
    (run / "metrics.json").write_text(json.dumps(metrics, indent=1))
    if resealed:
        renew_sums(run)


FORGERIES = {
    "full top1": lambda own, _: own["full"].update(top1=99.9),
    "full top5": lambda own, _: own["full"].update(top5=99.9),
    "macro_top1": lambda own, _: own["full"].update(macro_top1=99.9),
    "interval": lambda own, _: own["full"]["interval"]["top1"].update(both=[98.0, 99.95]),
    "videos": lambda own, _: own["full"].update(videos=5000),
    "classes": lambda own, _: own["full"].update(classes=101),
    "half, top1_mean": lambda own, _: own["half"].update(top1_mean=99.9),
    "half: top1_std": lambda own, _: own["half"].update(top1_std=0.1),
    "half, top1 beside top1_mean": lambda own, _: own["half"].update(top1=99.9),
    "a draw": lambda own, _: own["half"]["splits"][3].update(top1=99.9),
    "draws": lambda own, _: own["half"]["splits"].pop(),
    "list_sha256": lambda own, _: own["half"].update(list_sha256="0" * 64),
    "distance": lambda own, _: own["distance"]["curve"][4].update(top1=99.9),
    "used": lambda own, _: own.update(used=5000),
}


@pytest.mark.parametrize("resealed", [False, True])
@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_number_is_found(run, what, resealed):
    assert Run(run).check() == Check()
    edit(run, FORGERIES[what], resealed)
    found = Run(run).check()
    assert found.changed and not found.missing and not found.unchecked
    if not resealed:
        assert "differs from its own hash" in found.changed[-1]
    if what == "full top1":
        assert found.changed[0].startswith("own, full: top1 is 99.9 in metrics.json, ")


@pytest.mark.parametrize(
    "change",
    [
        lambda own, _: own.update(expected=5),
        lambda _, metrics: metrics.update(selection="val"),
        lambda _, metrics: metrics.update(seed=7),
        lambda _, metrics: metrics["protocol"].update(leaks=[]) or metrics["protocol"].pop("name"),
    ],
)
def test_what_no_prediction_tells_is_guarded_by_the_records_hash(run, change, tmp_path):
    edit(run, change, resealed=False)
    with pytest.raises(UserError, match="differs from its own hash"):
        check_record(run, Run(run).record)


def test_what_cannot_be_compared_is_said(run):
    def older(own, metrics):
        del metrics["version"]
        del own["half"]["options"]
        own["mine"] = {"top1": 99.9, "classes": 3, "options": {"function": "mine"}}

    edit(run, older, resealed=False)
    (run / SUMS).unlink()
    said = "; ".join(Run(run).check().unchecked)
    assert "own, half: cannot be scored again" in said and "own, mine: cannot be" in said
    assert "no hash of its own" in said and not Run(run).check().changed
    (run / SUMS).touch()
    assert "no hash of its own" in str(Run(run).check())
    (run / "predictions" / "own.npz").unlink()
    assert "own.npz is missing" in Run(run).check().missing[0]


def test_a_list_of_another_data_set_is_no_evaluation_of_this_one(run):
    """A number made when lists matched by name alone."""

    def rafting(own, _):
        own["truze"] = {**own["full"], "options": {"function": "full", "classes": "truze.tsv"}}

    edit(run, rafting, resealed=True)
    assert "own, truze: has numbers, but truze.tsv is of ucf101" in Run(run).check().changed[0]


def test_what_a_run_wrote_is_listed_and_stays_so_when_it_is_shown_again(run):
    written = {"metrics.json", "protocol.json", "predictions/own.npz"}
    assert check_sums(run) == written
    show_run(Run(run))
    assert check_sums(run) == written
    shutil.copy(run / "predictions" / "own.npz", run / "predictions" / "strange.npz")
    with pytest.raises(UserError, match=r"strange\.npz is not the file that the run wrote"):
        read_target(run, "strange", read_record(run))


def test_a_record_is_read_as_it_was_written(run):
    record, text = read_record(run), (run / "metrics.json").read_text()
    assert record.version == VERSION and record.protocol.targets["own"].count == 30
    write_record(record, run)
    assert (run / "metrics.json").read_text() == text and Run(run).check() == Check()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda own, _: own["full"].update(top1="high"), "metrics.json is not there or damaged at"),
        (lambda own, _: own.update(used=None), r"damaged at targets\.own\.used"),
        (lambda _, metrics: metrics.update(targets=[]), r"damaged at targets"),
        (lambda _, metrics: metrics.update(version=VERSION + 1), "by a later version"),
    ],
)
def test_what_is_no_record_is_said_in_one_line(run, change, words):
    edit(run, change, resealed=True)
    with pytest.raises(UserError, match=words) as error:
        read_record(run)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_report_and_compare_refuse_a_forged_number(run, cli, tmp_path):
    other = finished_run(tmp_path / "other", trained(predictions(100, noise=9)), seed=1)
    edit(run, FORGERIES["full top1"], resealed=True)
    process = cli("report", f"run={run}")
    lines = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert process.returncode == 2 and len(lines) == 1 and "99.9" not in process.stdout
    assert "own, full: top1 is 99.9 in metrics.json" in lines[0]
    for pair in ([other, run], [run, other]):
        with pytest.raises(UserError, match=r"run was changed .*own, full: top1 is 99\.9"):
            write_comparison([str(r) for r in pair], False, None, 50, tmp_path / "out")
    write_comparison([str(other), str(run)], True, None, 50, tmp_path / "out")
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "CHANGED: own, full: top1 is 99.9 in metrics.json" in text
    shutil.rmtree(run / "predictions")
    with pytest.raises(UserError, match="cannot be compared with its predictions"):
        write_comparison([str(other), str(run)], False, None, 50, tmp_path / "out")


def test_the_card_takes_its_diagnosis_from_the_predictions(run):
    before = protocol_card(Run(run))["behind the numbers"]["own"]
    file = run / "analysis" / "own.json"
    found = json.loads(file.read_text())
    found["confused"][0]["videos"] = 777
    file.write_text(json.dumps(found))
    assert (
        protocol_card(Run(run))["behind the numbers"]["own"] == before and before["most confused"]
    )


@pytest.mark.slow
def test_the_commands_say_it_in_one_line(run, cli, tmp_path):
    with np.load(run / "predictions" / "own.npz") as held:
        arrays = dict(held)
    arrays["labels"] = arrays["labels"][::-1]
    np.savez(run / "predictions" / "own.npz", **arrays)
    for name, option in (("evaluate", f"predictions={run}"), ("report", f"run={run}")):
        process = cli(name, option, *([f"hydra.run.dir={tmp_path}/out"] * (name == "evaluate")))
        lines = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
        assert process.returncode == 2 and "Traceback" not in process.stderr
        assert len(lines) == 1 and "own.npz is not the file that the run wrote" in lines[0]
