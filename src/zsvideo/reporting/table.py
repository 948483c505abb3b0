"""The result table of a run, for the terminal, W&B and a Markdown file."""

from typing import Any

from rich.table import Table

from zsvideo.reporting.identity import seen_targets
from zsvideo.reporting.run import Run

COLUMNS = ["target", "evaluation", "classes", "top-1 %", "top-5 %", "chance %", "videos"]


def rows(run: Run) -> list[list[str]]:
    """Give one row an evaluation of a target, in the order of `COLUMNS`."""
    return [
        [name, key, *scores(numbers), videos(target)]
        for name, target in run.metrics["targets"].items()
        for key, numbers in target.items()
        if isinstance(numbers, dict) and "classes" in numbers
        if "top1" in numbers or "top1_mean" in numbers
    ]


def scores(numbers: dict[str, Any]) -> list[str]:
    """Give classes, top-1, top-5 and chance of one evaluation."""
    classes = numbers["classes"]
    chance = f"{100 / classes:.1f}" if classes else "-"
    return [str(classes), value(numbers, "top1"), value(numbers, "top5"), chance]


def value(numbers: dict[str, Any], key: str) -> str:
    """Show an accuracy, with its standard deviation where it is a mean over draws."""
    if key in numbers:
        return "-" if numbers[key] is None else f"{numbers[key]:.1f}"
    mean, std = numbers[f"{key}_mean"], numbers[f"{key}_std"]
    return "-" if mean is None else f"{mean:.1f} ± {std:.1f}"


def videos(target: dict[str, Any]) -> str:
    """Say how many videos were used of how many there should be."""
    used, expected = target["used"], target["expected"]
    if expected is None:
        return f"{used:,} of ?"
    return f"{used:,}" if used == expected else f"{used:,} of {expected:,}: INCOMPLETE"


def terminal_table(run: Run) -> Table:
    """Make the table that ends a run."""
    counts = run.metrics["protocol"]["counts"]
    title = f"protocol {run.metrics['protocol']['name']}"
    if counts:
        title += f": {counts['kept']} of {counts['classes']} classes kept for training"
    table = Table(*COLUMNS, title=title)
    for row in rows(run):
        table.add_row(*row)
    return table


def markdown_table(run: Run) -> str:
    """Make the same table in Markdown."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows(run)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def borderline(run: Run) -> str:
    """Name the classes that distance alone removed, which a count of same words would keep."""
    removed = run.protocol.get("borderline", {}).get("removed", [])
    names = ", ".join(f"{row['name']} {row['distance']:.4f}" for row in removed[:5])
    return f" (removed by distance alone: {names})" if names else ""


def first_weights(lineage: dict[str, Any]) -> str:
    """Say where pretrained weights come from, and which classes they saw that are tested."""
    sha256 = lineage["sha256"]
    what = f"pretrained weights: {lineage['name']}" + (f" (sha256 {sha256[:12]})" if sha256 else "")
    if lineage["leaks"] is None:
        return f"{what}; which classes they were trained on is unknown: no claim of zero-shot"
    if not lineage["leaks"]:
        return f"{what}, {lineage['classes']} classes of {lineage['dataset']}, none tested here"
    names = ", ".join(lineage["leaks"][:5]) + (" ..." if len(lineage["leaks"]) > 5 else "")
    return (
        f"LEAK: {what} saw {len(lineage['leaks'])} classes of {lineage['dataset']} that are nearer "
        f"than 0.05 to a class tested: {names}"
    )


def classification(run: Run) -> str:
    """Say how well a classifier tells its own classes apart, and that this is no zero-shot test."""
    numbers = "; ".join(
        f"{name} {part['top1']:.1f} % of {part['videos']:,} videos"
        + (f" ({part['unreadable']:,} more are unreadable)" if part["unreadable"] else "")
        for name, part in run.metrics["classification"].items()
    )
    return (
        "method=classify has no zero-shot test, it names only classes trained on; its top-1 among "
        f"these, one clip a video: {numbers}; next: method=baseline pretrain.ckpt={run.folder}"
    )


def remarks(run: Run) -> list[str]:
    """List in words what a reader of the numbers must know."""
    said = []
    if run.metrics.get("classification"):
        said.append(classification(run))
    protocol, source = run.metrics["protocol"], run.metrics["source"]
    counts = protocol["counts"]
    if protocol.get("declared"):
        said.append(f"what the model was trained on is {protocol['declared']}")
    if counts and counts["paper"] and counts["paper"] != counts["kept"]:
        said.append(
            f"protocol {protocol['name']}: the paper states {counts['paper']} classes, computed "
            f"here {counts['kept']}{borderline(run)}; protocol.json lists them"
        )
    if protocol["leaks"]:
        names = ", ".join(protocol["leaks"][:5]) + (" ..." if len(protocol["leaks"]) > 5 else "")
        said.append(
            f"LEAK: {len(protocol['leaks'])} classes trained on are nearer than 0.05 to a class "
            f"tested: {names}"
        )
    said += [
        f"{name}: all {len(run.protocol['targets'][name]['classes'])} classes tested were trained "
        "on: this is recognition of seen classes, no claim of zero-shot"
        for name in seen_targets(run)
    ]
    if survivors := protocol.get("survivors"):
        classes = {pair.split(" ~ ")[0] for pair in survivors}
        shown = "; ".join(survivors[:5]) + (" ..." if len(survivors) > 5 else "")
        said.append(
            f"{len(classes)} classes trained on pass that rule and still teach a class tested, by "
            f"verdict or by their words: {shown} (protocol.json lists them; see src.audit)"
        )
    lineage = protocol.get("pretrain")
    while lineage:
        said.append(first_weights(lineage))
        lineage = lineage["pretrain"]
    if protocol.get("test_only"):
        said.append(f"only the classes of {protocol['test_only']} were tested")
    for name, groups in protocol.get("same_vector", {}).items():
        same = "; ".join(" = ".join(group) for group in groups)
        said.append(f"{name}: classes with the same words cannot be told apart: {same}")
    if partly := {d: c for d, c in protocol.get("coverage", {}).items() if c["percent"] < 100}:
        counts = ", ".join(f"{d} {c['covered']} of {c['count']}" for d, c in partly.items())
        said.append(f"classes with a word vector: {counts}; others are compared by words alone")
    if protocol["leaks"] is None:
        said.append("what the model was trained on is unknown: no claim of zero-shot")
    for name, target in run.protocol["targets"].items():
        if target["without_vector"]:
            said.append(
                f"{name}: {len(target['without_vector'])} classes have words without a vector and "
                f"were left out (semantics.oov): {', '.join(target['without_vector'])}"
            )
    if source and source["without_vector"]:
        said.append(
            f"{len(source['without_vector'])} classes of the source have words without a vector "
            f"and were not trained on (semantics.oov): {', '.join(source['without_vector'])}"
        )
    if source and source.get("quarantined"):
        said.append(
            f"{len(source['quarantined'])} training videos were found unreadable when the set was "
            "prepared, and took no part (metrics.json names them)"
        )
    if source and source["unreadable_replaced"]:
        said.append(
            f"{len(source['unreadable_replaced'])} unreadable training videos were replaced by "
            "others (metrics.json names them)"
        )
    for name, target in run.metrics["targets"].items():
        said += beyond_the_table(name, target)
        if target["unreadable"]:
            said.append(
                f"{name}: {len(target['unreadable'])} unreadable test videos were left out "
                "(metrics.json names them)"
            )
    return said


def beyond_the_table(name: str, target: dict[str, Any]) -> list[str]:
    """Say what the evaluations found that are no accuracy over draws, and which were left out."""
    said = []
    for numbers in target.values():
        if isinstance(numbers, dict) and "harmonic" in numbers:
            told = f"{name}: generalised, mean over classes: unseen {numbers['unseen']:.1f} %"
            if numbers["harmonic"] is None:
                told += "; no seen videos were embedded (source@seen), so no harmonic mean"
            else:
                told += (
                    f", seen {numbers['seen']:.1f} %, harmonic mean "
                    f"{numbers['harmonic']:.1f} %, area {numbers['ausuc']:.3f}"
                )
            said.append(told)
        if isinstance(numbers, dict) and "distances" in numbers:
            middle = numbers["curve"][len(numbers["curve"]) // 2]
            said.append(
                f"{name}: the {middle['classes']} classes farther than {middle['threshold']:.2f} "
                f"from training: top-1 {value(middle, 'top1')} % of all {numbers['candidates']} "
                "candidates (metrics.json has the curve of Fig. 7)"
            )
    for evaluation, why in target.get("not_applicable", {}).items():
        said.append(f"{name}: evaluation {evaluation} left out: {why}")
    return said
