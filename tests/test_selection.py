"""Which checkpoint is tested, and what is said of it."""

import json

import numpy as np
import pytest

from helpers.commands import finished, read
from helpers.vectors import bank, toy_vectors
from helpers.videos import grey_video
from zsvideo.errors import UserError
from zsvideo.experiment.build import build_data
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.options import Selection
from zsvideo.options import parse
from zsvideo.semantics.holdout import hold_out

pytestmark = pytest.mark.slow


def unit(*angles):
    return bank({f"c{i}": np.array([np.cos(a), np.sin(a)]) for i, a in enumerate(angles)})


def test_no_class_near_one_that_stays_is_held_out():
    near = np.arccos(1 - 0.049)
    vectors = unit(0, near, 1.5, 2.5, 3.5)
    for seed in range(20):
        drawn = hold_out(vectors, 0.4, 0.05, seed)
        assert len(drawn) == 2 and set(drawn) <= {"c2", "c3", "c4"} and drawn == sorted(drawn)
    assert len({tuple(hold_out(vectors, 0.4, 0.05, seed)) for seed in range(20)}) == 3
    assert hold_out(vectors, 0.4, 0.05, 7) == hold_out(vectors, 0.4, 0.05, 7)


@pytest.mark.parametrize("share", [0, 1, -0.5, "a", True, 0.9])
def test_bad_shares(share):
    with pytest.raises(UserError, match=r"selection\.share"):
        hold_out(unit(0, 1, 2, 3), share, 0.05, 0)


def curve(run, column):
    lines = (run / "metrics.csv").read_text().splitlines()
    place = lines[0].split(",").index(column)
    return [float(v) for line in lines[1:] if (v := line.split(",")[place])]


@pytest.mark.parametrize("subset", ["classes", "samples", "clusters"])
def test_held_out_classes_are_in_no_subset_and_do_not_depend_on_it(
    config, folders, tmp_path, subset
):
    """Both arms of a comparison choose by the same classes, whatever was drawn to train on."""
    sizes = {"classes": (1, 2), "samples": (2, 4), "clusters": (1, 2)}[subset]
    more = ["subset.clusters=1"] if subset == "clusters" else []
    key = "samples" if subset == "samples" else "classes"
    chosen = ["selection=val", "selection.share=0.5", f"subset={subset}", *more]
    held_out = []
    for size in sizes:
        cache = f"paths.cache={tmp_path}/cache"
        data = build_data(Experiment.of(config(*folders, *chosen, cache, f"subset.{key}={size}")))
        (validation,) = data.validation.values()
        held_out.append(list(validation.bank.names))
        assert len(held_out[-1]) == 2 and len(validation.chosen) == 4
        assert not set(held_out[-1]) & set(data.source.bank.names)
        assert not {v.path for v in validation.chosen} & {v.path for v in data.source.chosen}
        assert data.protocol["validation"] == {"folder": held_out[-1]}
        drawn = data.protocol["subset"]
        assert size in (len(drawn["classes"]), drawn["videos"])
    assert held_out[0] == held_out[1]


def test_selection_on_held_out_source_classes(cli, folders, tmp_path):
    run = tmp_path / "run"
    options = ["selection=val", "selection.share=0.5", "trainer.max_epochs=3"]
    said = finished(cli("train", *folders, *options, f"hydra.run.dir={run}"))
    protocol, metrics = read(run, "protocol.json"), read(run, "metrics.json")
    held_out = protocol["validation"]["folder"]
    assert len(held_out) == 2 and not set(held_out) & set(protocol["trained_classes"])
    assert set(held_out) | set(protocol["trained_classes"]) == {"climb", "jump", "run", "swim"}
    counts = metrics["source"]
    assert (counts["used"], counts["held_out_to_select"], counts["kept_out_by_protocol"]) == (
        4,
        4,
        0,
    )
    scores = curve(run, "val/top1")
    assert metrics["validation"] == pytest.approx(max(scores))
    assert len(scores) == 3 and metrics["selection"] == "val" and "LEAK" not in said
    # two steps an epoch... the first epoch with the best score was tested
    assert metrics["steps"] == metrics["trained_steps"] // 3 * (1 + int(np.argmax(scores)))
    (run / "metrics.json").unlink()
    best = run / "checkpoints" / "best.ckpt"
    whole = best.read_bytes()
    best.write_bytes(whole[:-100])
    told = cli("train", f"resume={run}")
    assert told.returncode == 2 and f"{best} is damaged" in told.stderr, told.stderr[-3000:]
    best.write_bytes(whole)
    finished(cli("train", f"resume={run}"))
    assert read(run, "metrics.json")["targets"] == metrics["targets"]
    again = tmp_path / "again"
    finished(cli("evaluate", f"ckpt={run}", f"hydra.run.dir={again}"))
    assert read(again, "metrics.json")["selection"] == "val"
    assert read(again, "metrics.json")["checkpoint"] == metrics["checkpoint"]


def test_selection_on_the_test_set_is_a_leak(cli, folders, tmp_path):
    run = tmp_path / "run"
    said = finished(cli("train", *folders, "selection=test_best", f"hydra.run.dir={run}"))
    assert "LEAK: selected on test" in said
    assert "LEAK: selected on test" in (run / "results.md").read_text()
    assert "LEAK: selected on test" in json.dumps(read(run, "card.json"))
    finished(cli("evaluate", f"ckpt={run}", f"hydra.run.dir={run}"))  # in its own folder
    assert read(run, "card.json")["warnings"] == ["LEAK: selected on test"]
    (run / "metrics.json").unlink()  # as if the test had been interrupted
    again = tmp_path / "again"
    finished(cli("evaluate", f"ckpt={run}", f"hydra.run.dir={again}"))
    assert read(again, "card.json")["warnings"] == ["LEAK: selected on test"]
    last = run / "checkpoints" / "last.ckpt"
    finished(cli("evaluate", f"ckpt={last}", f"hydra.run.dir={again}"))
    assert read(again, "card.json")["warnings"] == []


def named(folder, names):
    for name in names:
        grey_video(folder / name / "0.avi", 18)
    return folder


def test_ucf101_and_hmdb51_alone_choose_as_in_the_authors_code(config, folders, tmp_path, caplog):
    """ActivityNet is tested and has no say; where neither of the two is tested, all have one."""
    caplog.set_level("INFO")
    vectors = toy_vectors(["jump", "run", "swim", "climb", "read", "write", "sing", "dance"])
    vectors.add_vectors(["archery", "kick", "smile"], toy_vectors("abc", seed=1).vectors)
    vectors.save_word2vec_format(str(tmp_path / "toy.bin"), binary=True)
    roots = {
        "ucf101": named(tmp_path / "ucf", ["Archery"]),
        "hmdb51": named(tmp_path / "hmdb", ["kick", "smile"]),
        "kinetics600": named(tmp_path / "k600", ["archery"]),
    }
    own = [o for o in folders if not o.startswith("target")]
    cases = (
        ("[ucf101,hmdb51,kinetics600]", [], ["ucf101", "hmdb51"]),
        ("[kinetics600,hmdb51]", [], ["hmdb51"]),
        ("[kinetics600]", [], ["kinetics600"]),
        ("[ucf101,hmdb51,kinetics600]", ["selection.targets=null"], list(roots)),
        ("[ucf101,kinetics600]", ["selection.targets=[kinetics600]"], ["kinetics600"]),
    )
    for targets, more, chosen in cases:
        places = [f"target.{n}.root={roots[n]}" for n in targets.strip("[]").split(",")]
        caplog.clear()
        options = [*own, f"target={targets}", *places, f"paths.cache={tmp_path}/cache", *more]
        data = build_data(Experiment.of(config(*options, "compat=authors_code")))
        assert sorted(data.validation) == sorted(chosen)
        assert set(data.protocol["validation"]) == set(chosen)
        others = set(data.targets) - set(chosen)
        assert ("alone, not by" in caplog.text) == bool(others)
        assert ("so all targets choose" in caplog.text) == (targets == "[kinetics600]")
        assert len(data.val_dataloader()) == len(chosen)
    with pytest.raises(UserError, match=r"selection\.targets=ucf101 must be null or a list of"):
        parse(Selection, {"targets": "ucf101"}, "selection")
    with pytest.raises(UserError, match=r"selection\.targets=\['ucf'\] must be"):
        parse(Selection, {"targets": ["ucf"]}, "selection")
