"""The protocol card of a run: all that a reviewer asks before believing a number."""

import json
from collections import Counter
from typing import Any

import yaml

from zsvideo.evaluation.diagnosis import diagnose
from zsvideo.evaluation.integrity import NO_NUMBERS
from zsvideo.reporting.identity import (
    CLIPS,
    UNKNOWN,
    fields,
    missing_classes,
    missing_videos,
    protocol_hash,
    stamps,
)
from zsvideo.reporting.run import Run
from zsvideo.resources import CONF

COMPAT = CONF / "compat"
SHOWN = 5


def write_card(run: Run) -> None:
    """Write `card.json` and `card.md` into the run's folder."""
    content = card(run)
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (run.folder / "card.json").write_text(text + "\n", encoding="utf-8")
    (run.folder / "card.md").write_text(markdown(content), encoding="utf-8")


def card(run: Run) -> dict[str, Any]:
    """Collect the card from what the run folder holds; what is not there is `not recorded`."""
    metrics, setup = run.metrics, run.metrics.get("setup", {})
    there = metrics.get("environment", {})
    return {
        "stamps": stamps(run),
        "results": {target: results(run, target) for target in run.targets},
        "training classes": training(run),
        "class vectors": vectors(run),
        "audit": audit(run),
        "test videos": {target: videos(run, target) for target in run.targets},
        "behind the numbers": {target: diagnosis(run, target) for target in run.targets},
        "clips": {key: setup.get("clips", {}).get(key, UNKNOWN) for key in CLIPS}
        | {"sampling": sampling(setup.get("clips", {}))},
        "compat": {"compat": setup.get("compat", UNKNOWN), **switches(setup)},
        "network": setup.get("model", UNKNOWN),
        "checkpoint": {
            **metrics.get("checkpoint", {}),
            "selection": metrics.get("selection", UNKNOWN),
            "steps": metrics.get("steps", UNKNOWN),
            "seed": metrics.get("seed", UNKNOWN),
        },
        "pre-training": metrics["protocol"].get("pretrain") or "none",
        "software": {"code": there.get("code"), **there.get("software", {})},
        "hardware": there.get("hardware", UNKNOWN),
        "time": {"finished": there.get("time", UNKNOWN), "seconds": metrics.get("seconds")},
        "scored again": metrics.get("scored", "no"),
    }


def results(run: Run, target: str) -> dict[str, Any]:
    """List the numbers of each evaluation with their uncertainty and protocol hash."""
    entry = run.metrics["targets"][target]
    found = {}
    for name, numbers in entry.items():
        if isinstance(numbers, dict) and name not in NO_NUMBERS:
            plain = {
                k: v
                for k, v in numbers.items()
                if k not in ("splits", "curve", "distances", "list_sha256")
            }
            if name == "distance":
                plain["farthest half"] = numbers["curve"][len(numbers["curve"]) // 2]
            found[name] = {**plain, "protocol": protocol_hash(fields(run, target, name))}
    left_out = {name: {"left out": why} for name, why in entry.get("not_applicable", {}).items()}
    return {**found, **left_out}


def training(run: Run) -> dict[str, Any]:
    """Say which classes were trained on and which not, by which rule."""
    protocol, source = run.protocol, run.metrics.get("source") or {}
    listed = protocol.get("source", {})
    return {
        "known from": protocol.get("declared")
        or ("nowhere" if protocol.get("leaks") is None else "the run that trained"),
        "protocol": protocol["name"] or "unknown",
        "rule": f"{protocol.get('rule')}, tau {protocol.get('tau')}"
        + (" inclusive" if protocol.get("inclusive") else ""),
        "kept out": ", ".join(
            f"{entry['dataset']} ({entry['count']} classes, sha256 {entry['list_sha256'][:12]})"
            for entry in protocol.get("kept_out", [])
        )
        or "nothing",
        "source": listed.get("dataset", "unknown"),
        "counts": protocol.get("counts", UNKNOWN),
        "kept sha256": listed.get("kept_sha256", UNKNOWN),
        "trained on": len(protocol.get("trained_classes", ())) or UNKNOWN,
        "subset": {k: v for k, v in (protocol.get("subset") or {}).items() if k != "names"},
        "removed": [
            f"{c['name']} ({c['reason']}; nearest {c['nearest']})"
            for c in listed.get("removed", [])
        ],
        "videos": {
            **{key: source.get(key, UNKNOWN) for key in ("used", "found")},
            "unreadable": dict(Counter(source.get("unreadable_replaced", {}).values())),
            "quarantined": dict(Counter(source.get("quarantined", {}).values())),
        },
    }


def vectors(run: Run) -> dict[str, Any]:
    """Say which word vectors, and how far they cover each list of classes."""
    return {
        **(run.protocol.get("vectors") or {"file": UNKNOWN}),
        "classes kept apart by": run.protocol.get("deciding_vectors", UNKNOWN),
        "classes with a vector": {
            name: f"{entry['covered']} of {entry['count']}"
            for name, entry in run.metrics["protocol"]["coverage"].items()
        },
    }


def audit(run: Run) -> dict[str, Any]:
    """Say what the audit finds in the classes trained on, whatever the protocol was."""
    protocol = run.protocol
    leaks, survivors = protocol.get("leaks"), protocol.get("survivors")
    if leaks is None:
        return {"verdict": "the classes trained on are unknown: no claim of zero-shot"}
    grades = Counter(pair["grade"] for pair in survivors or [])
    verdict = "no class trained on is nearer than 0.05 to a class tested"
    if leaks:
        verdict = f"{len(leaks)} classes trained on are nearer than 0.05 to a class tested"
    if survivors:
        classes = len({pair["source"] for pair in survivors})
        verdict += f"; {classes} classes that pass that rule still teach a class tested"
    return {
        "verdict": verdict,
        "leaks": [f"{leak['name']} (nearest {leak['nearest']})" for leak in leaks],
        "pairs that pass the rule and leak": dict(grades),
    }


def videos(run: Run, target: str) -> dict[str, Any]:
    """Count the test videos used of those expected, with the reasons for the rest."""
    entry, listed = run.metrics["targets"][target], run.protocol["targets"].get(target, {})
    expected = entry["expected"]
    reasons = Counter(entry["unreadable"].values())
    if expected and expected > entry["found"]:
        reasons["not in the folder"] = expected - entry["found"]
    return {
        "used": entry["used"],
        "expected": UNKNOWN if expected is None else expected,
        "missing": missing_videos(entry),
        "reasons": dict(reasons),
        "classes": listed.get("count", UNKNOWN),
        "classes missing": missing_classes(run, target),
        "classes without a vector": list(listed.get("without_vector", {})),
        "classes sharing a vector": listed.get("same_vector", []),
        "sha256": {
            **entry.get("hashes", {}),
            "class list": listed.get("list_sha256", UNKNOWN),
            "predictions file": entry.get("predictions_sha256", UNKNOWN),
        },
    }


def diagnosis(run: Run, target: str) -> dict[str, Any]:
    """Say what qualifies a run's accuracy, from its predictions."""
    found = diagnose(run.predictions(target))
    hubness = found["hubness"]
    return {
        "most confused": [
            f"{pair['class']} taken for {pair['taken_for']}: {pair['videos']} videos, "
            f"{pair['percent']:.0f} %"
            for pair in found["confused"][:SHOWN]
        ],
        "most predicted": [f"{name}: {count}" for name, count in hubness["hubs"][:SHOWN]],
        "never predicted": len(hubness["never"]),
        "skewness of predictions": round(hubness["skewness"], 3),
        "cosine as confidence": {
            key: None if found["calibration"][key] is None else round(found["calibration"][key], 3)
            for key in ("auroc", "ece")
        },
    }


def sampling(clips: dict[str, Any]) -> str:
    """Say in words which clips of a test video were embedded."""
    if not clips:
        return UNKNOWN
    if clips["test_clips"] == 1:
        return f"one clip from the {clips.get('single_clip', 'centre')} of the video"
    how = {
        "linspace": "linearly spaced, first to last frame",
        "authors_code": "as the authors' code cuts them (see src/zsvideo/data/sampling.py)",
    }
    return (
        f"{clips['test_clips']} clips, {how[clips.get('test_rule', 'linspace')]}; embeddings "
        "averaged, then projected"
    )


def switches(setup: dict[str, Any]) -> dict[str, Any]:
    """Give the resolved value of every switch that a file of the group `compat` sets."""
    names: dict[str, None] = {}
    for file in sorted(COMPAT.glob("*.yaml")):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for group, keys in content.items():
            if isinstance(keys, dict):
                names |= {f"{group}.{key}": None for key in keys}
    values = {}
    for name in names:
        group, key = name.split(".", 1)
        values[name] = (setup.get(group) or {}).get(key, UNKNOWN)
    return values


def markdown(content: dict[str, Any]) -> str:
    """Write the card as Markdown: a heading a section, a table of its fields."""
    lines = ["# Protocol card", ""]
    lines += [f"**{stamp}**" for stamp in content["stamps"]] or ["No stamps."]
    for section, held in content.items():
        if section == "stamps":
            continue
        lines += ["", f"## {section.capitalize()}", ""]
        if not isinstance(held, dict):
            lines.append(text(held))
            continue
        nested = section in ("results", "test videos", "behind the numbers")
        if section == "results":
            lines += result_lines(held)
            continue
        for number, (name, part) in enumerate(held.items() if nested else [("", held)]):
            lines += [""] * bool(number) + ([f"### {name}", ""] if nested else [])
            lines += ["| field | value |", "|---|---|"]
            lines += [f"| {key} | {text(value)} |" for key, value in part.items()]
    return "\n".join(lines) + "\n"


def result_lines(held: dict[str, Any]) -> list[str]:
    """Write the numbers as one table, and those that are no accuracy over draws below it."""
    columns = (
        "target",
        "evaluation",
        "classes",
        "top-1 %",
        "95 % over videos",
        "over classes",
        "over both",
        "top-5 %",
        "macro top-1 %",
        "protocol",
    )
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    others = []
    for target, evaluations in held.items():
        for name, numbers in evaluations.items():
            if "left out" in numbers:
                others.append(f"- {target}, {name}: left out, {numbers['left out']}")
                continue
            if "top1" not in numbers and "top1_mean" not in numbers:
                plain = {k: v for k, v in numbers.items() if k not in ("options", "protocol")}
                others.append(f"- {target}, {name}: {text(plain)}")
                continue
            spans = numbers.get("interval", {}).get("top1", {})
            ends = [span(spans.get(scheme)) for scheme in ("videos", "classes", "both")]
            row = [
                target,
                name,
                str(numbers["classes"]),
                number(numbers, "top1"),
                *ends,
                number(numbers, "top5"),
                number(numbers, "macro_top1"),
                f"`{numbers['protocol'][:12]}`",
            ]
            lines.append("| " + " | ".join(row) + " |")
    note = (
        "± is the standard deviation over draws (ddof = 0), no standard error: draws share "
        "classes and videos. Intervals are percentiles of a bootstrap."
    )
    return [*lines, "", note, "", *others]


def number(numbers: dict[str, Any], key: str) -> str:
    """Show a number, or a mean with its standard deviation."""
    if numbers.get(key) is not None:
        return f"{numbers[key]:.2f}"
    if numbers.get(f"{key}_mean") is not None:
        return f"{numbers[f'{key}_mean']:.2f} ± {numbers[f'{key}_std']:.2f}"
    return "-"


def span(ends: list[float] | None) -> str:
    """Show an interval."""
    return f"{ends[0]:.1f} to {ends[1]:.1f}" if ends else "-"


def text(value: Any) -> str:
    """Show a value in one line of a table."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {text(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(map(text, value)) or "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "none" if value is None else str(value).replace("|", "\\|")
