"""Rows stand side by side only where they mean the same; the card says what a number is."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from helpers.runs import finished_run, predictions, trained
from zsvideo.errors import UserError
from zsvideo.reporting.card import card_markdown, protocol_card
from zsvideo.reporting.compare import write_comparison
from zsvideo.reporting.identity import fields, protocol_hash, warnings_of
from zsvideo.reporting.quoted import beside, quoted
from zsvideo.reporting.run import Run


@pytest.fixture
def pair(tmp_path):
    """Two runs of other seeds on the same videos, in another order."""
    p = trained(predictions(400, noise=8))
    noise = np.random.default_rng(5).normal(size=p.embeddings.shape) * 0.3
    second = replace(p, embeddings=(p.embeddings + noise).astype(np.float32))
    second = second.of(np.random.default_rng(1).permutation(400))
    return [
        finished_run(tmp_path / "first", p, seed=0),
        finished_run(tmp_path / "second", second, seed=1),
    ]


def compared(runs, tmp_path, force=False, quoted_file=None):
    write_comparison([str(r) for r in runs], force, quoted_file, 200, tmp_path / "out")
    return (
        json.loads((tmp_path / "out" / "comparison.json").read_text()),
        (tmp_path / "out" / "comparison.md").read_text(),
    )


def test_two_seeds_are_compared_video_by_video(pair, tmp_path):
    found, text = compared(pair, tmp_path)
    full = next(g for g in found if g["evaluation"] == "full")
    a, b = (Run(run) for run in pair)
    p, q = a.predictions("own"), b.predictions("own")
    first = dict(zip(p.ids, p.nearest() == p.labels, strict=True))
    second = dict(zip(q.ids, q.nearest() == q.labels, strict=True))
    only_first = sum(first[v] and not second[v] for v in first)
    only_second = sum(second[v] and not first[v] for v in first)
    entry = full["paired"][0]
    assert (entry["only_first"], entry["only_second"]) == (only_first, only_second)
    assert entry["difference"] == pytest.approx(100 * (only_second - only_first) / 400)
    assert entry["p_mcnemar"] == pytest.approx(
        stats.binomtest(only_first, only_first + only_second).pvalue
    )
    assert entry["interval"]["videos"][0] < entry["difference"] < entry["interval"]["videos"][1]
    scores = [run.record.targets["own"].evaluations["full"].top1 for run in (a, b)]
    mean = full["seeds"][0]
    assert mean["mean"] == pytest.approx(np.mean(scores)) and mean["seeds"] == [0, 1]
    half = next(g for g in found if g["evaluation"] == "half")
    means = [run.record.targets["own"].evaluations["half"].accuracy("top1") for run in (a, b)]
    assert half["paired"][0]["difference"] == pytest.approx(means[1] - means[0])
    assert "McNemar" in text and "mean over seeds 0, 1" in text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"clips": 1}, "clips.test_clips"),
        ({"selection": "test_best"}, "selection"),
    ],
)
def test_other_protocols_are_refused_by_the_field_that_differs(pair, tmp_path, change, field):
    p = Run(pair[0]).predictions("own")
    odd = finished_run(tmp_path / "odd", p, **change)
    with pytest.raises(UserError, match=f"first and odd differ in {field} for own, full: "):
        compared([pair[0], odd], tmp_path)
    _, text = compared([pair[0], odd], tmp_path, force=True)
    assert f"{field}: " in text and "| differs |" in text


def test_other_videos_or_classes_are_refused_and_not_paired(pair, tmp_path):
    p = Run(pair[0]).predictions("own")
    fewer = finished_run(tmp_path / "fewer", p.of(np.arange(399)), expected=400)
    with pytest.raises(UserError, match="differ in test videos"):
        compared([pair[0], fewer], tmp_path)
    found, text = compared([pair[0], fewer], tmp_path, force=True)
    assert "not scored on the same videos" in found[0]["paired"][0]["not_paired"]
    assert "INCOMPLETE: videos missing" in text
    other = replace(p, class_vectors=p.class_vectors[::-1].copy())
    other = finished_run(tmp_path / "other", other)
    with pytest.raises(UserError, match="differ in class vectors"):
        compared([pair[0], other], tmp_path)


def test_other_texts_of_classes_are_refused_and_said(pair, tmp_path):
    p = Run(pair[0]).predictions("own")
    made = {
        "kind": "sentences",
        "prompts": ["{}"],
        "prompts_sha256": "a" * 64,
        "descriptions": None,
        "descriptions_sha256": None,
        "encoder": {"id": "toy", "sha256": "b" * 64},
    }
    audited = {
        "described": {"own": 1},
        "mentions": [{"class": "own/c00", "text": "like c01", "names": ["own/c01"]}],
        "shared": [],
        "strangers": [],
    }
    one, other = (
        finished_run(tmp_path / n, p, class_vectors={**made, "prompts_sha256": n * 64}, **more)
        for n, more in (("1", {"class_texts": audited}), ("2", {}))
    )
    with pytest.raises(UserError, match=r"class vectors made of .*\[sentences, 1+, .*, 2+, "):
        compared([one, other], tmp_path)
    with pytest.raises(UserError, match="class vectors made of"):
        compared([pair[0], other], tmp_path)
    card = card_markdown(protocol_card(Run(one)))
    assert "own/c00: its text names own/c01: 'like c01'" in card
    assert "## Word vectors, of the split" in card and "toy.bin" in card
    assert "class vectors made of" not in fields(Run(pair[0]), "own", "full")


def test_the_network_and_its_seed_are_no_part_of_the_protocol(pair):
    first, second = (fields(Run(run), "own", "full") for run in pair)
    assert protocol_hash(first) == protocol_hash(second)
    assert protocol_hash(first) != protocol_hash(fields(Run(pair[0]), "own", "half"))


def test_vision_language_models_stand_in_a_table_of_their_own(pair, tmp_path):
    p = Run(pair[0]).predictions("own")
    others = [finished_run(tmp_path / n, p, track="vision-language") for n in ("clip1", "clip2")]
    found, text = compared([*pair, *others], tmp_path)
    tracks = {(g["track"], g["evaluation"]): [r["run"] for r in g["rows"]] for g in found}
    assert tracks["video", "full"] == ["first", "second"]
    assert tracks["vision-language", "full"] == ["clip1", "clip2"]
    assert "track: vision-language" in text


def test_nothing_to_compare(pair, tmp_path):
    with pytest.raises(UserError, match="two runs"):
        compared(pair[:1], tmp_path)
    with pytest.raises(UserError, match="holds no finished run"):
        compared([pair[0], tmp_path / "nowhere"], tmp_path)


def test_a_folder_of_runs_is_its_runs(pair, tmp_path):
    found, _ = compared([tmp_path], tmp_path / "elsewhere")
    assert [row["run"] for row in found[0]["rows"]] == ["first", "second"]


def test_quoted_numbers_have_a_source_and_stand_apart(pair, tmp_path):
    rows = quoted()
    assert all(row.source and row.protocol for row in rows)
    assert {row.track for row in rows} == {"video", "vision-language"}
    own = [row for row in rows if row.track == "video"]
    assert not {row.row for row in own} & {row.row for row in rows if row not in own}
    beside_clip = beside(rows, "ucf101", "official3", "vision-language")
    assert next(r.value for r in beside_clip if r.row == "CLIP B/16") == 73.8
    assert "CLIP" not in " ".join(r.row for r in beside(rows, "ucf101", "full", "video"))
    ucf = {(r.row, r.evaluation, r.measure): r.value for r in rows if r.target == "ucf101"}
    assert (
        ucf["r2plus1d 664", "half", "top1"] == 48
        and ucf["URL [64], ResNet200", "full", "top1"] == 34.2
    )
    mine = tmp_path / "mine.tsv"
    head = "row\ttarget\tevaluation\tmeasure\tvalue\tsource\tprotocol\ttrack\n"
    mine.write_text(head + "Other\town\tfull\ttop1\t12.5\tA paper\tits own\tvideo\n")
    _, text = compared(pair, tmp_path, quoted_file=str(mine))
    assert "| Other (quoted) | 12.5 | A paper | its own |" in text
    mine.write_text(head + "Other\town\tfull\ttop1\t12.5\t\tits own\tvideo\n")
    with pytest.raises(UserError, match="line 2 lacks source"):
        quoted(str(mine))


@pytest.mark.slow
def test_warnings(pair, tmp_path):
    p = Run(pair[0]).predictions("own")
    lineage = {
        "name": "k400",
        "sha256": "2" * 64,
        "dataset": "kinetics400",
        "classes": ["a"],
        "leaks": [{"name": "archery"}],
        "pretrain": None,
    }
    clean = {**lineage, "leaks": []}
    cases = [
        ({}, []),
        ({"selection": "test_best"}, ["LEAK: selected on test"]),
        ({"pretrain": lineage}, ["LEAK: pre-training classes overlap"]),
        ({"pretrain": {**clean, "pretrain": lineage}}, ["LEAK: pre-training classes overlap"]),
        ({"pretrain": clean}, []),
        ({"pretrain": {**lineage, "leaks": None}}, ["UNKNOWN: pre-training classes"]),
        ({"expected": 500}, ["INCOMPLETE: videos missing"]),
        ({"leaks": None}, ["UNKNOWN: training classes"]),
    ]
    for number, (change, expected) in enumerate(cases):
        run = Run(finished_run(tmp_path / f"s{number}", p, **change))
        assert warnings_of(run) == expected
        assert all(f"**{text}**" in (run.folder / "card.md").read_text() for text in expected)


def test_the_card_has_what_a_reviewer_asks(pair):
    run = Run(pair[0])
    content = protocol_card(run)
    assert content == json.loads((run.folder / "card.json").read_text())
    numbers = run.record.targets["own"].evaluations["full"]
    assert content["results"]["own"]["full"]["top1"] == numbers.top1
    assert len(content["results"]["own"]["full"]["protocol"]) == 64
    assert content["training classes"]["removed"] == [
        "c00x (distance 0.0100 < 0.05; nearest own/c00)"
    ]
    assert content["test videos"]["own"]["used"] == 400
    assert content["checkpoint"]["selection"] == "last" and content["compat"]["clips.resize"]
    text = card_markdown(content)
    for heading in (
        "Results",
        "Training classes",
        "Class vectors",
        "Audit",
        "Test videos",
        "Clips",
        "Compat",
        "Checkpoint",
        "Pre-training",
        "Software",
        "Hardware",
        "Time",
    ):
        assert f"\n## {heading}\n" in text
    assert "95 % over videos" in text and "farthest half" in text


def test_numbers_of_several_tracks_are_never_in_one_table(tmp_path):
    p = predictions(200)
    own = finished_run(tmp_path / "own", p)
    others = [
        finished_run(tmp_path / n, p, seed=s, track="vision-language") for s, n in enumerate("ab")
    ]
    with pytest.raises(UserError, match="own is of the track video, a is of the track vision-lang"):
        compared([own, others[0]], tmp_path, force=True)
    found, _ = compared([own, *others], tmp_path)
    assert {g["track"] for g in found} == {"vision-language"}
    assert {row["run"] for g in found for row in g["rows"]} == {"a", "b"}


ENDS = {"sampling": "ends", "frames": 8, "interpolation": "bicubic"}


def test_frames_of_a_whole_video_are_no_consecutive_ones(tmp_path):
    p = predictions(200)
    setup = {"clips": {"test_clips": 25, "sampling": "consecutive", "centre": "round"}}
    as_before = finished_run(tmp_path / "a", p)
    same = finished_run(tmp_path / "b", p, setup=setup)
    compared([as_before, same], tmp_path)
    other = finished_run(tmp_path / "c", p, setup={"clips": setup["clips"] | ENDS})
    with pytest.raises(UserError, match=r"differ in clips\.frames .* clips\.sampling"):
        compared([as_before, other], tmp_path)
