"""The protocol card of a run: all that a reviewer asks before believing a number."""

from collections import Counter
from typing import Any

import yaml

from zsvideo.evaluation.record import Numbers, RunRecord, as_json, write_text
from zsvideo.reporting.identity import (
    CLIPS,
    fields,
    missing_classes,
    protocol_hash,
    warnings_of,
)
from zsvideo.reporting.run import Run
from zsvideo.reporting.table import markdown_lines
from zsvideo.resources import CONF
from zsvideo.semantics.records import UNKNOWN, ProtocolRecord
from zsvideo.semantics.text_audit import text_remarks
from zsvideo.texts import in_markdown

COMPAT = CONF / "compat"
SHOWN = 5
UNTRAINED = "nothing was trained here; see pre-training"
LONG = {"splits", "curve", "distances", "list_sha256"}  # of numbers, not in the card


def write_card(run: Run) -> None:
    """Write `card.json` and `card.md` into the run's folder."""
    content = protocol_card(run)
    write_text(run.folder / "card.json", as_json(content))
    write_text(run.folder / "card.md", card_markdown(content))


def protocol_card(run: Run) -> dict[str, Any]:
    """Collect the card from what the run folder holds; what is not there is `not recorded`."""
    record, setup, made = run.record, run.record.setup, run.record.environment
    lineage = record.protocol.pretrain
    return {
        "warnings": warnings_of(run),
        "results": {target: results(run, target) for target in run.targets},
        "training classes": training(record),
        **class_vectors(record.protocol),
        "audit": audit_findings(record.protocol),
        "test videos": {target: test_videos(run, target) for target in run.targets},
        "behind the numbers": {target: diagnosis(run, target) for target in run.targets},
        "clips": {key: setup.get("clips", {}).get(key, UNKNOWN) for key in CLIPS}
        | {"sampling": sampling(setup.get("clips", {}))},
        "compat": {"compat": setup.get("compat", UNKNOWN), **switches(setup)},
        "network": setup.get("model", UNKNOWN),
        **({"encoder": record.encoder} if record.encoder else {}),
        "head": record.head.plain() if record.head else comparison(record),
        "checkpoint": {
            **record.checkpoint.plain(),
            **record.model_dump(include={"selection", "steps", "seed"}),
        },
        "pre-training": lineage.summary() if lineage else "none",
        "software": {"code": made.code, **made.software},
        "hardware": made.hardware,
        "time": {"finished": made.time, "seconds": record.seconds},
        "scored again": record.scored or "no",
    }


def comparison(record: RunRecord) -> str:
    """Say how videos are compared with classes where there is no head."""
    if (record.protocol.class_vectors or {}).get("kind") != "text":
        return "f_s: linear, compared by cosine"
    compared = (record.encoder or {}).get("compared", "compared with texts by cosine")
    return f"none: features are {compared}"


def results(run: Run, target: str) -> dict[str, Any]:
    """List the numbers of each evaluation with their uncertainty and protocol hash."""
    entry, shown = run.record.targets[target], {}
    for name, numbers in entry.evaluations.items():
        shown[name] = numbers.model_dump(exclude_unset=True, exclude=LONG)
        if numbers.distances is not None:
            shown[name]["farthest half"] = numbers.farthest_half.plain()
        shown[name]["protocol"] = protocol_hash(fields(run, target, name))
    left_out = {name: {"left out": why} for name, why in entry.not_applicable.items()}
    return {**shown, **left_out}


def training(record: RunRecord) -> dict[str, Any]:
    """Say which classes were trained on and which not, by which rule."""
    protocol, videos, classes = record.protocol, record.source, record.protocol.source
    if protocol.trained_classes == []:
        return {"known from": UNTRAINED}
    return {
        "known from": protocol.declared
        or ("nowhere" if protocol.leaks is None else "the run that trained"),
        "protocol": protocol.name or "unknown",
        "rule": f"{protocol.rule}, tau {protocol.thresholds}"
        + " inclusive" * bool(protocol.inclusive),
        "kept out": ", ".join(
            f"{entry.dataset} ({entry.count} classes, sha256 {entry.list_sha256[:12]})"
            for entry in protocol.kept_out
        )
        or "nothing",
        "source": classes.dataset if classes else "unknown",
        "counts": protocol.counts.plain() if protocol.counts else UNKNOWN,
        "kept sha256": classes.kept_sha256 if classes else UNKNOWN,
        "trained on": len(protocol.trained_classes or ()) or UNKNOWN,
        "subset": protocol.subset.model_dump(exclude={"names"}) if protocol.subset else {},
        "removed": [
            f"{c.name} ({c.reason}; nearest {c.nearest})"
            for c in (classes.removed if classes else ())
        ],
        "videos": {
            "used": videos.used if videos else UNKNOWN,
            "found": videos.found if videos else UNKNOWN,
            "unreadable": dict(Counter(videos.unreadable_replaced.values() if videos else ())),
            "quarantined": dict(Counter(videos.quarantined.values() if videos else ())),
        },
    }


def class_vectors(protocol: ProtocolRecord) -> dict[str, Any]:
    """Say which class vectors are learned and scored, and what the audit finds in their texts."""
    if protocol.class_vectors is None:
        return {"class vectors": vectors(protocol)}
    made, audited = protocol.class_vectors, protocol.class_texts
    remarks = text_remarks(audited) if audited else UNKNOWN
    described = {"classes with a description": audited["described"]} if audited else {}
    return {
        "class vectors": {**made, **described, "audit of the texts": remarks},
        "word vectors, of the split": vectors(protocol),
    }


def vectors(protocol: ProtocolRecord) -> dict[str, Any]:
    """Say which word vectors, and how far they cover each list of classes."""
    return {
        **(protocol.vectors or {"file": UNKNOWN}),
        "classes kept apart by": protocol.deciding_vectors,
        "classes with a vector": {
            name: f"{entry.covered} of {entry.count}" for name, entry in protocol.coverage.items()
        },
    }


def audit_findings(protocol: ProtocolRecord) -> dict[str, Any]:
    """Say what the audit finds in the classes trained on, whatever the protocol was."""
    leaks, survivors = protocol.leaks, protocol.survivors or []
    if leaks is None:
        return {"verdict": "the classes trained on are unknown: no claim of zero-shot"}
    if protocol.trained_classes == []:
        return {"verdict": UNTRAINED}
    verdict = "no class trained on is nearer than 0.05 to a class tested"
    if leaks:
        verdict = f"{len(leaks)} classes trained on are nearer than 0.05 to a class tested"
    if survivors:
        classes = len({pair.source for pair in survivors})
        verdict += f"; {classes} classes that pass that rule still teach a class tested"
    return {
        "verdict": verdict,
        "leaks": [f"{leak.name} (nearest {leak.nearest})" for leak in leaks],
        "pairs that pass the rule and leak": dict(Counter(pair.grade for pair in survivors)),
    }


def test_videos(run: Run, target: str) -> dict[str, Any]:
    """Count the test videos used of those expected, with the reasons for the rest."""
    entry, listed = run.record.targets[target], run.record.protocol.targets.get(target)
    reasons = Counter(entry.unreadable.values())
    if entry.expected and entry.expected > entry.found:
        reasons["not in the folder"] = entry.expected - entry.found
    return {
        "used": entry.used,
        "expected": UNKNOWN if entry.expected is None else entry.expected,
        "missing": entry.missing,
        "reasons": dict(reasons),
        "classes": listed.count if listed else UNKNOWN,
        "classes missing": missing_classes(run, target),
        "classes without a vector": list(listed.without_vector) if listed else [],
        "classes sharing a vector": listed.same_vector if listed else [],
        "sha256": {**entry.hashes, "class list": listed.list_sha256 if listed else UNKNOWN},
    }


def diagnosis(run: Run, target: str) -> dict[str, Any]:
    """Say what qualifies a run's accuracy, from its predictions."""
    behind = run.diagnosis(target)
    hubness, calibration = behind["hubness"], behind["calibration"]
    return {
        "most confused": [
            f"{pair['class']} taken for {pair['taken_for']}: {pair['videos']} videos, "
            f"{pair['percent']:.0f} %"
            for pair in behind["confused"][:SHOWN]
        ],
        "most predicted": [f"{name}: {count}" for name, count in hubness["hubs"][:SHOWN]],
        "never predicted": len(hubness["never"]),
        "skewness of predictions": round(hubness["skewness"], 3),
        "cosine as confidence": {
            key: None if calibration[key] is None else round(calibration[key], 3)
            for key in ("auroc", "ece")
        },
    }


def sampling(clips: dict[str, Any]) -> str:
    """Say in words which clips of a test video were embedded."""
    if not clips:
        return UNKNOWN
    if (rule := clips.get("sampling", "consecutive")) != "consecutive":
        return (
            f"{clips['frames']} frames over the whole video, the {rule} of as many equal parts, "
            f"scaled {clips['interpolation']}"
        )
    counts = clips["test_clips"]
    if isinstance(counts, list):
        return "; ".join(sampling({**clips, "test_clips": count}) for count in counts)
    if counts == 1:
        return f"one clip from the {clips.get('single_clip', 'centre')} of the video"
    how = {
        "linspace": "linearly spaced, first to last frame",
        "authors_code": "as the authors' code cuts them (see src/zsvideo/data/sampling.py)",
    }
    return (
        f"{counts} clips, {how[clips.get('test_rule', 'linspace')]}; embeddings "
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


def card_markdown(content: dict[str, Any]) -> str:
    """Write the card as Markdown: a heading a section, a table of its fields."""
    lines = ["# Protocol card", ""]
    lines += [f"**{warning}**" for warning in content["warnings"]] or ["No warnings."]
    for section, part in content.items():
        if section == "warnings":
            continue
        lines += ["", f"## {section.capitalize()}", ""]
        if not isinstance(part, dict):
            lines.append(text(part))
            continue
        nested = section in ("results", "test videos", "behind the numbers")
        if section == "results":
            lines += result_lines(part)
            continue
        for number, (name, content_of) in enumerate(part.items() if nested else [("", part)]):
            lines += [""] * bool(number) + ([f"### {in_markdown(name)}", ""] if nested else [])
            rows = ([key, text(value)] for key, value in content_of.items())
            lines += markdown_lines(["field", "value"], rows)
    return "\n".join(lines) + "\n"


def result_lines(results: dict[str, Any]) -> list[str]:
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
    rows, others = [], []
    for target, evaluations in results.items():
        for name, numbers in evaluations.items():
            if "left out" in numbers:
                others.append(f"- {target}, {name}: left out, {text(numbers['left out'])}")
                continue
            if "top1" not in numbers and "top1_mean" not in numbers:
                plain = {k: v for k, v in numbers.items() if k not in ("options", "protocol")}
                others.append(f"- {target}, {name}: {text(plain)}")
                continue
            spans = numbers.get("interval", {}).get("top1", {})
            ends = [span(spans.get(scheme)) for scheme in ("videos", "classes", "both")]
            values = Numbers.model_validate(numbers)
            top1, top5, macro = (values.shown(m, 2) for m in ("top1", "top5", "macro_top1"))
            protocol = f"`{numbers['protocol'][:12]}`"
            rows.append(
                [in_markdown(target), name, str(values.classes), top1, *ends, top5, macro, protocol]
            )
    note = (
        "± is the standard deviation over draws (ddof = 0), no standard error: draws share "
        "classes and videos. Intervals are percentiles of a bootstrap."
    )
    return [*markdown_lines(columns, rows), "", note, "", *others]


def span(ends: list[float] | None) -> str:
    """Show an interval."""
    return f"{ends[0]:.1f} to {ends[1]:.1f}" if ends else "-"


def text(value: Any) -> str:
    """Show a value in one line of a table."""
    if isinstance(value, dict):
        return (
            ", ".join(f"{in_markdown(str(key))} {text(inner)}" for key, inner in value.items())
            or "none"
        )
    if isinstance(value, list):
        return "; ".join(map(text, value)) or "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "none" if value is None else in_markdown(str(value))
