"""Tables, figures and claims of studies, from run folders with known numbers."""

import csv
import json
import os
import shutil
import subprocess

import pytest
from scipy import stats

from helpers.runs import finished_run, predictions, trained
from zsvideo.errors import UserError
from zsvideo.reporting.run import Run
from zsvideo.reporting.studies import study
from zsvideo.reporting.studies.claims import finding
from zsvideo.reporting.studies.files import latex
from zsvideo.reporting.studies.report import report
from zsvideo.reporting.studies.study import Study, spread
from zsvideo.reporting.studies.tables import paper_values


def write_study(top, name, jobs):
    """Write a study of (axes, top1 or None, subset) jobs, each scored on UCF101."""
    listed = []
    for number, (axes, top1, subset) in enumerate(jobs):
        folder = top / "jobs" / str(number)
        folder.mkdir(parents=True)
        if top1 is not None:
            curve = [
                {"threshold": t, "classes": 9, "top1": max(top1 - 50 * t, 0.0)}
                for t in (0.0, 0.3, 0.5, 0.6)
            ]
            full = {"top1": top1, "top5": top1 + 20, "classes": 101, "videos": 5}
            half = {"top1_mean": top1 + 5, "top5_mean": top1 + 25, "classes": 50, "splits": []}
            scored = {"full": full, "half": half, "distance": {"curve": curve}}
            (folder / "metrics.json").write_text(json.dumps({"targets": {"ucf101": scored}}))
            (folder / "protocol.json").write_text(json.dumps({"subset": subset}))
        listed.append(
            {"axes": axes, "folder": f"../jobs/{number}", "sha256": str(number), "options": []}
        )
    (top / name).mkdir()
    content = {"study": {"name": name}, "jobs": listed}
    (top / name / "jobs.json").write_text(json.dumps(content))


def rows(folder, name):
    with (folder / f"{name}.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_spread_is_students_interval():
    found = spread([1.0, 2.0, 4.0, None])
    low, high = stats.t.interval(0.95, 2, loc=7 / 3, scale=stats.sem([1, 2, 4]))
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high))
    assert str(found) == f"2.3 ± {found.half:.1f} (3 of 4)"
    assert str(spread([None])) == "missing" and str(spread([3.0])) == "3.0"


def test_the_papers_numbers_are_complete():
    assert paper_values("table1")["r2plus1d 605"]["activitynet", "half", "top1"] == 26.6
    assert len(paper_values("table1")) == 11 and len(paper_values("table2")) == 3
    assert len(paper_values("table3")) == 5
    assert paper_values("table3")["e2e + augment + multi"]["ucf101", "full", "top5"] == 65.6


def arm(method, pretrain, clips, seed):
    return {"method": method, "pretrain": pretrain, "clips.test_clips": clips, "seed": seed}


@pytest.fixture
def ablation(tmp_path):
    jobs = [(arm("baseline", "kinetics400", 1, s), 20.0 + s, {}) for s in range(3)]
    jobs += [(arm("e2e", "none", 1, s), 35.0 + 2 * s, {}) for s in range(3)]
    jobs += [(arm("e2e", "sun", 1, s), None if s else 36.0, {}) for s in range(3)]
    jobs += [(arm("e2e", "none", 25, s), 38.0 - s, {}) for s in range(3)]
    jobs += [(arm("e2e", "sun", 25, s), None, {}) for s in range(3)]
    write_study(tmp_path / "full", "table3", jobs)
    return tmp_path / "full"


def test_table3_beside_the_paper_with_missing_jobs(ablation):
    folder = report("table3", ablation)
    found = {(r["row"], r["from"]): r for r in rows(folder, "table3")}
    assert len(found) == 10
    assert found["e2e", "paper"]["ucf101 full top1"] == "35.1"
    assert float(found["e2e", "ours"]["ucf101 full top1"]) == 37.0
    assert float(found["none", "ours"]["ucf101 half top5"]) == 46.0
    assert found["e2e + augment", "ours"]["ucf101 full top1 runs"] == "1"
    assert found["e2e + augment + multi", "ours"]["ucf101 full top1"] == ""
    text = (folder / "table3.md").read_text()
    assert "| e2e + augment + multi | ours | missing |" in text and "36.0 (1 of 3)" in text
    assert "10 of 15 runs finished" in text
    assert "10 runs not wholly checked: predictions/*.npz is missing" in text
    assert "e2e above frozen features: holds (+16.00" in text
    assert "multi helps: open" in text and "augment helps, many clips: missing" in text
    tex = (folder / "table3.tex").read_text()
    assert tex.count(r"\\") == 11 and r"$\pm$" in tex
    assert (folder / "table3.png").stat().st_size > 5000
    assert "missing" in (folder / "table3.svg").read_text()


def test_table3_has_a_row_for_the_clean_baseline(tmp_path):
    """Frozen features that saw no class kept out are not the paper's frozen features."""
    values = {("baseline", "kinetics400"): 20.0, ("baseline", "classify"): 12.0}
    values |= {("e2e", "none"): 30.0, ("e2e", "classify"): 33.0}
    jobs = [
        (arm(*names, 1, seed), value + seed * (1 + value / 30), {})
        for names, value in values.items()
        for seed in range(3)
    ]
    write_study(tmp_path / "full", "table3", jobs)
    folder = report("table3", tmp_path / "full")
    ours = {r["row"]: r["ucf101 full top1"] for r in rows(folder, "table3") if r["from"] == "ours"}
    assert set(ours) == {"none", "clean baseline", "e2e", "e2e + augment"}
    assert float(ours["none"]) < 22 and float(ours["clean baseline"]) < 14
    text = (folder / "table3.md").read_text()
    assert "e2e above frozen features that saw no class kept out: holds (+18.6" in text


@pytest.mark.slow
def test_a_forged_cell_counts_as_missing(tmp_path):
    top = tmp_path / "full"
    jobs = [(arm("e2e", "none", 25, s), 38.0, {}) for s in range(3)]
    write_study(top, "table3", jobs)
    for number in range(3):
        shutil.rmtree(top / "jobs" / str(number))
        finished_run(top / "jobs" / str(number), trained(predictions(60, seed=number)))
    text = (report("table3", top) / "table3.md").read_text()
    assert "3 of 3 runs finished" in text and "checked" not in text
    file = top / "jobs" / "1" / "metrics.json"
    metrics = json.loads(file.read_text())
    metrics["targets"]["own"]["full"]["top1"] = 99.9
    file.write_text(json.dumps(metrics))
    with pytest.raises(UserError, match=r"1 runs were changed .* own, full: top1 is 99\.9"):
        report("table3", top)
    text = (top / "table3" / "table3.md").read_text()
    assert "2 of 3 runs finished" in text and "(2 of 3)" in text
    assert "missing: 1 (changed: own, full: top1 is 99.9 in metrics.json" in text
    metrics["targets"]["own"]["full"]["top1"] = "high"
    file.write_text(json.dumps(metrics))
    with pytest.raises(UserError, match=r"1 runs were changed .* damaged at targets\.own\.full"):
        report("table3", top)


@pytest.mark.slow
def test_the_same_runs_give_the_same_files(ablation):
    endings = ("md", "csv", "tex", "svg")
    first = [(report("table3", ablation) / f"table3.{e}").read_bytes() for e in endings]
    assert [(report("table3", ablation) / f"table3.{e}").read_bytes() for e in endings] == first


def test_fig1_shows_the_errors_of_its_numbers_and_what_is_trained(tmp_path):
    jobs = [
        ({"model": "r2plus1d", "protocol": "664", "method": "e2e", "seed": s}, v, {})
        for s, v in enumerate((40.0, 44.0))
    ]
    write_study(tmp_path / "full", "table1", jobs)
    folder = report("fig1", tmp_path / "full")
    held = json.loads((folder / "fig1.json").read_text())["rows"]
    rival = "Bishay et al., arXiv 1907.09021, as quoted in Brattoli et al., Table 1"
    for ending in ("md", "csv", "tex"):
        text = (folder / f"fig1.{ending}").read_text()
        assert rival in text and "not Evaluation Protocol 1: splits within the data set" in text
    assert r"TARN [4], C3D\textsuperscript{e}" in (folder / "fig1.tex").read_text()
    assert {r["target"] for r in held} == {"ucf101"} and len(held) == 11
    (ours,) = (r["error"] for r in held if r["from"] == "ours")
    assert ours.startswith("53.0 ± ")  # of 47, half the classes
    assert next(r["error"] for r in held if r["row"].startswith("URL")) == "57.5"
    drawing = (folder / "fig1.svg").read_text()
    for row in held:
        assert f">{row['error']}<" in drawing
    assert drawing.count(">f_v: 3D CNN<") == 2 and ">grey: fixed; a colour" in drawing
    for word in ("URL [64]", "Action2Vec [18]", "TARN [4]", "building", "relation score"):
        assert f">{word}<" in drawing
    assert ">TARN [4], C3D (e)<" in drawing and ">e: Bishay et al., arXiv 1907.09021" in drawing
    assert ">others, as quoted in the paper<" in drawing


def test_table1_has_c3d_from_scratch_and_from_sports1m(tmp_path):
    def job(network, first, seed):
        axes = {"model": network, "protocol": "664", "method": "e2e", "pretrain": first}
        return ({**axes, "seed": seed}, 30.0 + seed, {})

    kinds = (("c3d", "none"), ("c3d", "sports1m"), ("r2plus1d", "none"))
    write_study(tmp_path / "full", "table1", [job(*kind, s) for kind in kinds for s in range(2)])
    folder = report("table1", tmp_path / "full")
    found = rows(folder, "table1")
    named = [(r["row"], r["from"]) for r in found]
    at = named.index(("c3d 664", "paper"))
    assert named[at : at + 3] == [
        ("c3d 664", "paper"),
        ("c3d 664", "ours"),
        ("c3d 664 pretrain=sports1m", "ours"),
    ]
    assert "from scratch or from Sports-1M is not said" in found[at]["protocol"]
    for row in found:
        assert row["source"] and (row["protocol"] or row["from"] == "ours"), row["row"]
        assert ("as quoted in" in row["source"]) == ("[" in row["row"]), row["row"]
    drawing = (folder / "table1.svg").read_text()
    assert ">as quoted in the paper<" in drawing and ">a: Zhu et al., CVPR 2018" in drawing


def size(kind, count, seed, method="e2e"):
    return {"method": method, "subset": kind, f"subset.{kind}": count, "seed": seed}


def drawn(classes, videos):
    return {
        "classes": {str(n): videos // classes for n in range(classes)},
        "videos": videos,
        "diversity": 0.5,
    }


def test_fig4_holds_classes_against_samples(tmp_path):
    top = tmp_path / "full"
    by_classes = [
        (size("classes", n, s), 10.0 + n + s, drawn(n, 10 * n)) for n in (2, 4, 8) for s in (0, 1)
    ]
    whole = [({**size("classes", None, s), "subset": "none"}, 40.0, drawn(20, 200)) for s in (0, 1)]
    write_study(top, "fig4_classes", [*by_classes, *whole])
    by_samples = [
        (size("samples", n, s), 25.0 + n / 10 + 1.1 * s - 0.05, drawn(20, n))
        for n in (20, 40)
        for s in (0, 1)
    ]
    (top / "jobs").rename(top / "jobs1")
    moved = (top / "fig4_classes" / "jobs.json").read_text().replace("../jobs/", "../jobs1/")
    (top / "fig4_classes" / "jobs.json").write_text(moved)
    write_study(top, "fig4_samples", by_samples)
    folder = report("fig4_classes", top)
    found = rows(folder, "fig4_classes")
    two = next(r for r in found if r["series"] == "e2e, classes" and r["asked"] == "2")
    assert (float(two["videos"]), float(two["error"])) == (20.0, 87.5)
    assert {r["from"] for r in found} == {"ours", "paper"}
    drawing = (folder / "fig4_classes.svg").read_text()
    assert ">100<" in drawing and "mathdefault" not in drawing  # ticks are plain numbers
    text = (folder / "fig4_classes.md").read_text()
    assert "few classes with many, at an equal number of videos: holds (+15.00" in text
    report("fig4_samples", top)  # the same figure, which the page of all studies shows once
    page = (top / "index.html").read_text()
    assert page.count("<section") == 2 and page.count("at an equal number of videos</td>") == 2


def test_fig5_panels_and_diversity(tmp_path):
    jobs = [
        (
            {"method": "e2e", "subset.clusters": k, "seed": s},
            30.0 - 2 * k + s + (s - 1) * k / 100,
            {**drawn(5, 50), "diversity": 0.8 - 0.1 * k - 0.01 * s * k},
        )
        for k in (1, 2, 3, 6)
        for s in range(3)
    ]
    write_study(tmp_path / "demo", "fig5", jobs)
    text = (report("fig5", tmp_path / "demo") / "fig5.md").read_text()
    assert "classes drawn from all above those of one of 6 clusters: holds (+10.00" in text
    assert "diversity falls from 1 to 6 clusters: holds" in text
    assert "scale=demo" in text


def test_networks_and_embeddings_are_kept_apart(tmp_path):
    """`model=` and `semantics=` lists are axes; a claim compares within one of each alone."""
    own = [{"model": m, "semantics": v} for m in ("c3d", "r3d") for v in ("small", "glove")]
    jobs = [
        ({**arm(method, "none", 1, seed), **more}, 10.0 * n + gain * (n - 1) + seed / 9, {})
        for n, more in enumerate(own)
        for seed in range(3)
        for method, gain in (("baseline", 0.0), ("e2e", 4.0 + seed / 9))
    ]
    write_study(tmp_path / "table", "table3", jobs)
    folder = report("table3", tmp_path / "table")
    named = [r["row"] for r in rows(folder, "table3") if r["from"] == "ours"]
    assert "e2e model=c3d semantics=small" in named and len(set(named)) == len(named) == 8
    held = json.loads((folder / "table3.json").read_text())["claims"]
    first = {c["target"]: c["became"] for c in held if c["said"] == "e2e above frozen features"}
    assert first == {
        "ucf101 model=c3d semantics=small": "fails",
        "ucf101 model=c3d semantics=glove": "open",
        "ucf101 model=r3d semantics=small": "holds",
        "ucf101 model=r3d semantics=glove": "holds",
    }
    jobs = [
        (
            {"method": "e2e", "subset.clusters": k, "seed": s, **more},
            30.0 - k * n + s / 9,
            {**drawn(5, 50), "diversity": 0.8 - 0.1 * k},
        )
        for k in (1, 6)
        for s in range(2)
        for n, more in enumerate(own[::2])
    ]
    write_study(tmp_path / "bars", "fig5", jobs)
    folder = report("fig5", tmp_path / "bars")
    assert {r["target"] for r in rows(folder, "fig5")} == {
        "ucf101 model=c3d semantics=small",
        "ucf101 model=r3d semantics=small",
    }


def test_latex_escapes_what_it_must():
    text = latex([{"row": "a_b & 5% ~^\\<{#$}", "from": "", "top1": spread([1.0, 2.0])}])
    (line,) = (line for line in text.splitlines() if line.startswith("a"))
    assert line.startswith(
        r"a\_b \& 5\% \textasciitilde{}\textasciicircum{}\textbackslash{}\textless{}\{\#\$\} & "
    )
    assert line.endswith(r"$\pm$ 6.4 \\") and r"\begin{tabular}{llr}" in text


def test_fig7_curves_end_where_hard_classes_are_wrong(tmp_path):
    arms = (("baseline", 20.0, 0), ("e2e", 45.0, 0.2))
    jobs = [
        ({"method": m, "pretrain": "none", "seed": s}, v + j * (s - 0.5), {})
        for m, v, j in arms
        for s in range(2)
    ]
    write_study(tmp_path / "full", "fig7", jobs)
    folder = report("fig7", tmp_path / "full")
    found = [r for r in rows(folder, "fig7") if r["series"] == "baseline"]
    assert [float(r["top-1"]) for r in found] == [20.0, 5.0, 0.0, 0.0]
    text = (folder / "fig7.md").read_text()
    assert "e2e above frozen features on the farther half: holds" in text


def test_verdicts():
    assert [finding("x", d).became for d in ([1.0, 1.1], [-1.0, -1.1], [-1.0, 1.5], [])] == [
        "holds",
        "fails",
        "open",
        "missing",
    ]
    assert finding("x", [2.5, 2.5, 2.5]).became == "open"  # no spread, so no interval
    assert "one seed" in finding("x", [3.0]).detail and finding("x", [3.0]).became == "open"


def test_the_page_of_all_studies_stands_alone(ablation, tmp_path):
    report("table3", ablation)
    page = (ablation / "index.html").read_text()
    for word in ("<link", "src=", "@import", "fetch(", "http-equiv", "$"):
        assert word not in page.split("</style>")[1].replace("$\\pm$", ""), word
    assert all(part.startswith("#") for part in page.split('href="')[1:])
    assert 'class="tag holds">holds' in page and 'class="tag missing">missing' in page
    assert page.count('<svg class="interval ') == 2  # claims with several seeds
    assert page.count("<svg") == 3 and "36.0 (1 of 3)" in page and "<details open>" in page
    if shutil.which("chromium"):
        dom = subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                f"--user-data-dir={tmp_path}/profile",
                "--dump-dom",
                f"file://{ablation}/index.html",
            ],
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout
        assert dom.count('class="tag open"') == 4 and "e2e above frozen features" in dom


def test_no_study(tmp_path):
    with pytest.raises(UserError, match=r"src\.train -m experiments=table1 scale=full"):
        report("table1", tmp_path / "full")
    with pytest.raises(UserError, match="table3"):
        report("table9", tmp_path)
    with pytest.raises(UserError, match=r"src\.audit experiments=fig2"):
        report("fig2", tmp_path / "full")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "jobs.json").write_text("{")
    with pytest.raises(UserError, match="no study"):
        Study.load(tmp_path / "x")


@pytest.mark.parametrize("many", [1, 99])
def test_a_run_that_was_found_whole_is_checked_again_once_it_changes(tmp_path, monkeypatch, many):
    """In this process and in others, which write down what they check."""
    own = trained(predictions(60))
    runs = [finished_run(tmp_path / "jobs" / name, own) for name in "abc"]
    whole, seen = Run.check, tmp_path / "seen"

    def check(run, with_intervals):
        with seen.open("a") as file:
            file.write(run.folder.name)
        return whole(run, with_intervals)

    def checked():
        seen.write_text("")
        found = study.checked([*runs, tmp_path / "jobs" / "missing"], tmp_path / "a" / "notes.json")
        assert found[3] is None
        return "".join(sorted(seen.read_text())), [len(c.changed) for c in found[:3]]

    monkeypatch.setattr(Run, "check", check)
    monkeypatch.setattr(study, "MANY", many)
    assert checked() == checked() == ("abc", [0, 0, 0])  # no folder for the notes
    (tmp_path / "a").mkdir()
    assert checked() == ("abc", [0, 0, 0]) and checked() == ("", [0, 0, 0])
    for damage in ("", "{", "[3]", "3", '{"../jobs/a": 3}'):
        (tmp_path / "a" / "notes.json").write_text(damage)
        assert checked() == ("abc", [0, 0, 0]) and checked() == ("", [0, 0, 0])
    file = runs[1] / "predictions" / "own.npz"
    stamps = os.stat(file)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(file, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))  # as if it had not changed
    assert checked() == checked() == ("b", [0, 1, 0])
    file.write_bytes(content)
    assert checked() == ("b", [0, 0, 0]) and checked() == ("", [0, 0, 0])


@pytest.mark.parametrize(
    ("top", "advice"),
    [
        ("demo", r"experiments=fig5 scale=demo$"),
        ("my nope", r"experiments=fig5 scale=SCALE 'hydra\.sweep\.dir=\S+/my nope'$"),
    ],
)
def test_a_study_that_is_not_there_says_how_to_run_it(tmp_path, top, advice):
    with pytest.raises(UserError, match=advice):
        report("fig5", tmp_path / top)
