"""Whole runs on video files, as a user starts them, and what they leave behind."""

import json
import struct

import numpy as np
import pytest
import torch
from wandb.proto import wandb_internal_pb2

from helpers.commands import check_sums, finished

pytestmark = pytest.mark.slow


def metrics(run):
    return json.loads((run / "metrics.json").read_text())


@pytest.fixture
def trained(cli, folders, tmp_path):
    run = tmp_path / "run"
    return run, finished(cli("train", *folders, f"hydra.run.dir={run}"))


def test_a_run_is_complete_and_can_be_tested_and_shown_again(trained, cli, tmp_path):
    run, said = trained
    assert "full" in said and "top-1" in said
    for name in (
        ".hydra/config.yaml",
        "protocol.json",
        "checkpoints/last.ckpt",
        "predictions/folder.npz",
        "metrics.json",
        "metrics.csv",
        "results.md",
        "figures/folder.png",
        "figures/folder.gif",
    ):
        assert (run / name).stat().st_size > 0, name
    scored = metrics(run)
    target = scored["targets"]["folder"]
    assert (target["used"], target["found"], target["expected"]) == (8, 8, 8)
    assert set(target["full"]) >= {"top1", "top5", "classes", "videos"}
    assert len(target["half"]["splits"]) == 10 and target["half"]["classes"] == 2
    assert scored["selection"] == "last" and scored["protocol"]["counts"]["kept"] == 4
    protocol = json.loads((run / "protocol.json").read_text())
    assert [c["name"] for c in protocol["source"]["kept"]] == ["climb", "jump", "run", "swim"]
    assert all(0 < c["distance"] < 2 and c["nearest"] for c in protocol["source"]["kept"])
    assert protocol["targets"]["folder"]["classes"] == ["dance", "read", "sing", "write"]
    saved = np.load(run / "predictions" / "folder.npz")
    assert saved["embeddings"].dtype == np.float32 and saved["embeddings"].shape == (8, 20)
    assert "train/loss_epoch" in (run / "metrics.csv").read_text().splitlines()[0]
    torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    written = {"metrics.json", "protocol.json", "predictions/folder.npz", "checkpoints/last.ckpt"}
    assert check_sums(run) >= {*written, "metrics.csv", "hparams.yaml", "samples/folder.npz"}

    again = tmp_path / "again"
    finished(cli("evaluate", f"ckpt={run}", f"hydra.run.dir={again}"))
    assert metrics(again)["targets"]["folder"]["full"] == target["full"]
    assert metrics(again)["protocol"] == scored["protocol"]
    assert metrics(again)["checkpoint"]["sha256"] == scored["checkpoint"]["sha256"]
    assert "top-1" in finished(cli("report", f"run={run}"))
    assert "nothing was left to do" in finished(cli("train", f"resume={run}"))
    assert check_sums(run) and "predictions/folder.npz" in check_sums(again)
    finished(cli("train", f"resume={run}", "trainer.max_epochs=3"))
    assert check_sums(run) and metrics(run)["trained_steps"] > scored["trained_steps"]


def test_workers_do_not_change_the_metrics(cli, folders, tmp_path):
    found = []
    for workers in (0, 2, "auto"):
        run = tmp_path / f"run{workers}"
        finished(cli("train", *folders, f"loader.workers={workers}", f"hydra.run.dir={run}"))
        embeddings = np.load(run / "predictions" / "folder.npz")["embeddings"]
        found.append((metrics(run)["targets"], embeddings))
    assert found[0][0] == found[1][0] == found[2][0]
    assert np.array_equal(found[0][1], found[1][1])
    assert np.array_equal(found[0][1], found[2][1])


def test_unreadable_videos_are_counted(cli, folders, tmp_path):
    (tmp_path / "source" / "jump" / "0.avi").write_text("broken")
    (tmp_path / "target" / "sing" / "1.avi").write_bytes(b"")
    run = tmp_path / "run"
    said = finished(cli("train", *folders, f"hydra.run.dir={run}"))
    scored = metrics(run)
    assert scored["source"]["unreadable_replaced"] == {"jump/0.avi": "not a video file"}
    assert scored["source"]["used"] == 7
    assert scored["targets"]["folder"]["unreadable"] == {"sing/1.avi": "empty file"}
    assert (scored["targets"]["folder"]["used"], scored["targets"]["folder"]["found"]) == (7, 8)
    assert "1 unreadable training videos" in said and "INCOMPLETE" in said


def test_overlapping_classes_are_removed_or_told(cli, folders, tmp_path):
    (tmp_path / "source" / "jump").rename(tmp_path / "source" / "reading")
    kept_apart, mixed = tmp_path / "apart", tmp_path / "mixed"
    finished(cli("train", *folders, f"hydra.run.dir={kept_apart}"))
    scored = metrics(kept_apart)
    assert scored["protocol"]["counts"]["removed"] == 1
    assert scored["source"]["kept_out_by_protocol"] == 2 and not scored["protocol"]["leaks"]
    said = finished(cli("train", *folders, "protocol=all", f"hydra.run.dir={mixed}"))
    assert metrics(mixed)["protocol"]["leaks"] == ["reading"] and "LEAK" in said


def records(file):
    """Read the records of an offline W&B run: a log of blocks of 32 KiB, as LevelDB's."""
    data, at, whole = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
        size, kind = struct.unpack_from("<HB", data, at + 4)
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # full, or the last part
            yield wandb_internal_pb2.Record.FromString(whole)
            whole = b""


def test_each_job_of_a_multirun_is_its_own_wandb_run(cli, folders, tmp_path):
    sweep = tmp_path / "sweep"
    options = [
        "logger=wandb",
        "logger.wandb.log_model=true",
        "trainer.max_epochs=1",
        "seed=0,1",
        "study.name=mine",
    ]
    where = {"HOME": "/proc/nope"}  # nothing can be written there
    finished(cli("train", "-m", *folders, *options, f"hydra.sweep.dir={sweep}", **where))
    runs = sorted(sweep.glob("*/wandb/offline-run-*"))
    assert len({r.parent.parent.name for r in runs}) == len(runs) == 2
    assert all(list(r.glob("files/media/table/results*")) for r in runs)
    assert all(list(r.glob("files/media/videos/**/*.gif")) for r in runs)
    for table in ("classes", "confusions"):
        assert all(list(r.glob(f"files/media/table/folder/{table}*")) for r in runs)
    for run in runs:
        logged = list(records(next(run.glob("*.wandb"))))
        (began,) = [r.run for r in logged if r.HasField("run") and r.run.config.update][:1]
        assert (began.run_group, began.project) == ("mine", "zero-shot-video")
        assert began.run_id == (run.parent.parent / "wandb-id").read_text()
        x_axes = {
            r.metric.name or r.metric.glob_name: r.metric.step_metric
            for r in logged
            if r.HasField("metric")
        }
        assert x_axes["train/loss_epoch"] == x_axes["val/*"] == "epoch"
        kept = {
            r.artifact.type: {c.path for c in r.artifact.manifest.contents}
            for r in logged
            if r.HasField("artifact")
        }
        assert {"card.md", "protocol.json"} <= kept["protocol-card"]
        assert kept["predictions"] == {"folder.npz"} and "model" in kept
        summary = {u.key or "/".join(u.nested_key) for r in logged for u in r.summary.update}
        assert {"subset/classes", "subset/diversity", "folder/full/top1"} <= summary


def test_tensorboard(cli, folders, tmp_path):
    options = ["logger=tensorboard", "trainer.max_epochs=1", f"hydra.run.dir={tmp_path}/run"]
    finished(cli("train", *folders, *options, PYTHONIOENCODING="ascii"))  # a terminal's letters
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


def test_real_clips(cli, shared, tmp_path):
    clips = shared / "clips"
    run = tmp_path / "run"
    said = finished(
        cli(
            "train",
            "source=folder",
            f"source.root={clips}/kinetics",
            "target=[ucf101,hmdb51]",
            f"target.ucf101.root={clips}/ucf101",
            f"target.hmdb51.root={clips}/hmdb51",
            "semantics=word2vec",
            f"semantics.path={shared}/reference/googlenews_subset.bin",
            "semantics.oov=drop",
            "model=tiny",
            "clips.test_clips=3",
            "trainer.max_epochs=2",
            f"hydra.run.dir={run}",
        )
    )
    scored = metrics(run)
    assert scored["source"] == {
        "dataset": "folder",
        "classes": 1,
        "found": 4,
        "kept_out_by_protocol": 1,
        "held_out_to_select": 0,
        "left_out_by_subset": 0,
        "without_vector": ["using segway"],
        "used": 1,
        "quarantined": {},
        "unreadable_replaced": {},
    }
    coverage = {
        name: (c["covered"], c["count"]) for name, c in scored["protocol"]["coverage"].items()
    }
    assert coverage["folder (source)"] == (2, 3) and coverage["ucf101 (kept out)"] == (81, 101)
    assert coverage["hmdb51 (tested)"] == (1, 2) and "ucf101 (kept out) 81 of 101" in said
    assert scored["targets"]["ucf101"]["used"] == 3
    assert (scored["targets"]["hmdb51"]["used"], scored["targets"]["hmdb51"]["found"]) == (2, 3)
    assert "cartwheel" in said


def test_one_step_of_the_real_network_on_real_clips(cli, shared, tmp_path):
    clips = shared / "clips"
    process = cli(
        "train",
        "source=folder",
        f"source.root={clips}/kinetics",
        "target=[ucf101]",
        f"target.ucf101.root={clips}/ucf101",
        "semantics=word2vec",
        f"semantics.path={shared}/reference/googlenews_subset.bin",
        "semantics.oov=drop",
        "protocol=all",
        "model=r2plus1d",
        "clips.test_clips=1",
        "loader.batch_size=2",
        "trainer.max_steps=1",
        f"hydra.run.dir={tmp_path}/run",
    )
    finished(process)
    assert metrics(tmp_path / "run")["steps"] == 1


def test_the_papers_count_and_the_borderline_names_are_printed(cli, shared, tmp_path):
    clips = shared / "clips"
    said = finished(
        cli(
            "train",
            "source=folder",
            "source.table=kinetics700",
            f"source.root={clips}/kinetics",
            "target=[ucf101]",
            f"target.ucf101.root={clips}/ucf101",
            "semantics=word2vec",
            f"semantics.path={shared}/reference/googlenews_subset.bin",
            "semantics.oov=drop",
            "model=tiny",
            "clips.test_clips=1",
            "trainer.max_steps=1",
            f"hydra.run.dir={tmp_path}/run",
        )
    )
    assert "the paper states 605 classes, computed here 586" in said
    assert "(removed by distance alone: canoeing or kayaking 0.0469)" in said
