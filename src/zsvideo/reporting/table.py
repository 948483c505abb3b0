"""The result table of a run, for the terminal, W&B and a Markdown file."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from zsvideo.evaluation.record import Gate, HeadRecord, Numbers, TargetRecord
from zsvideo.reporting.identity import seen_targets
from zsvideo.reporting.run import Run
from zsvideo.semantics.records import Lineage, ProtocolRecord
from zsvideo.texts import in_markdown
from zsvideo.usage import typed_option

COLUMNS = ["target", "evaluation", "classes", "top-1 %", "top-5 %", "chance %", "videos"]
SHOWN = 5  # names of a list


def result_rows(run: Run) -> list[list[str]]:
    """Give one row an evaluation of a target, in the order of `COLUMNS`."""
    return [
        [name, key, *scores(numbers), videos_used(target)]
        for name, target in run.record.targets.items()
        for key, numbers in target.evaluations.items()
        if numbers.is_accuracy and numbers.classes is not None
    ]


def scores(numbers: Numbers) -> list[str]:
    """Give classes, top-1, top-5 and chance of one evaluation."""
    chance = f"{100 / numbers.classes:.1f}" if numbers.classes else "-"
    return [str(numbers.classes), numbers.shown("top1"), numbers.shown("top5"), chance]


def videos_used(target: TargetRecord) -> str:
    """Say how many videos were used of how many there should be."""
    if target.expected is None:
        return f"{target.used:,} of ?"
    complete = target.used == target.expected
    return f"{target.used:,}" + f" of {target.expected:,}: INCOMPLETE" * (not complete)


def terminal_table(run: Run) -> Table:
    """Make the table that ends a run."""
    protocol = run.record.protocol
    title = f"protocol {protocol.name}"
    if (encoder := run.record.encoder) and protocol.trained_classes == []:
        title = f"{encoder['name']}, as published (track: {run.record.track})"
    if counts := protocol.counts:
        title += f": {counts.kept} of {counts.classes} classes kept for training"
    table = Table(*COLUMNS, title=title)
    for row in result_rows(run):
        table.add_row(*row)
    return table


def markdown_table(run: Run) -> str:
    """Make the same table in Markdown."""
    return (
        "\n".join(markdown_lines(COLUMNS, (map(in_markdown, row) for row in result_rows(run))))
        + "\n"
    )


def markdown_lines(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Write a table as lines of Markdown."""
    return ["| " + " | ".join(row) + " |" for row in (columns, ["---"] * len(columns), *rows)]


def removed_by_distance(protocol: ProtocolRecord) -> str:
    """Name the classes that distance alone removed, which a count of same words would keep."""
    removed = protocol.borderline.get("removed", [])[:SHOWN]
    names = ", ".join(f"{entry.name} {entry.distance:.4f}" for entry in removed)
    return f" (removed by distance alone: {names})" if names else ""


def listing(names: Sequence[str], between: str = ", ") -> str:
    """Write the first names of a list."""
    return between.join(names[:SHOWN]) + " ..." * (len(names) > SHOWN)


def pretrained_weights(lineage: Lineage) -> str:
    """Say where pretrained weights come from, and which classes they saw that are tested."""
    what = f"pretrained weights: {lineage.name}"
    what += f" (sha256 {lineage.sha256[:12]})" if lineage.sha256 else ""
    if lineage.leaks is None:
        return f"{what}; which classes they were trained on is unknown: no claim of zero-shot"
    if not lineage.leaks:
        count = len(lineage.classes or ())
        return f"{what}, {count} classes of {lineage.dataset}, none tested here"
    return (
        f"LEAK: {what} saw {len(lineage.leaks)} classes of {lineage.dataset} that are nearer "
        f"than 0.05 to a class tested: {listing([leak.name for leak in lineage.leaks])}"
    )


def classification(run: Run) -> str:
    """Say how well a classifier tells its own classes apart, and that this is no zero-shot test."""
    numbers = "; ".join(
        f"{name} {part.top1:.1f} % of {part.videos:,} videos"
        + (f" ({part.unreadable:,} more are unreadable)" if part.unreadable else "")
        for name, part in run.record.classification.items()
    )
    return (
        "method=classify has no zero-shot test, it names only classes trained on; its top-1 among "
        f"these, one clip a video: {numbers}; next: method=baseline "
        f"{typed_option('pretrain.ckpt', run.folder)}"
    )


def head_line(head: HeadRecord) -> str:
    """Say what stands in place of f_s, and how its options were chosen."""
    text = f"head: {head.label}, fitted on the features of {head.videos:,} videos"
    if tried := head.choice.get("tried"):
        chosen = ", ".join(f"{k} {v}" for k, v in head.options.items() if k in tried[0])
        text += (
            f"; {chosen} chosen among {len(tried)} on {head.choice['held_out']} held-out classes "
            "of the source"
        )
    if head.substituted:
        text += f"; differs from the publication: {'; '.join(head.substituted)}"
    return text + "; class names of the targets were used in training" * (
        head.target_class_names_used
    )


def run_remarks(run: Run) -> list[str]:
    """List in words what a reader of the numbers must know."""
    lines = []
    record, protocol = run.record, run.record.protocol
    if record.classification:
        lines.append(classification(run))
    if record.head:
        lines.append(head_line(record.head))
    if protocol.declared:
        lines.append(f"what the model was trained on is {protocol.declared}")
    if (counts := protocol.counts) and counts.paper and counts.paper != counts.kept:
        lines.append(
            f"protocol {protocol.name}: the paper states {counts.paper} classes, computed "
            f"here {counts.kept}{removed_by_distance(protocol)}; protocol.json lists them"
        )
    if protocol.leaks:
        lines.append(
            f"LEAK: {len(protocol.leaks)} classes trained on are nearer than 0.05 to a class "
            f"tested: {listing([leak.name for leak in protocol.leaks])}"
        )
    lines += [
        f"{name}: all {len(protocol.targets[name].classes)} classes tested were trained "
        "on: this is recognition of seen classes, no claim of zero-shot"
        for name in seen_targets(run)
    ]
    if protocol.survivors:
        classes = {pair.source for pair in protocol.survivors}
        lines.append(
            f"{len(classes)} classes trained on pass that rule and still teach a class tested, by "
            f"verdict or by their words: {listing([*map(str, protocol.survivors)], '; ')} "
            "(protocol.json lists them; see src.audit)"
        )
    lines += map(pretrained_weights, protocol.lineages)
    if protocol.test_only:
        lines.append(f"only the classes of {protocol.test_only} were tested")
    for name, listed in protocol.targets.items():
        if listed.same_vector:
            same = "; ".join(" = ".join(group) for group in listed.same_vector)
            lines.append(f"{name}: classes with the same words cannot be told apart: {same}")
    if partly := {name: c for name, c in protocol.coverage.items() if c.percent < 100}:
        covered = ", ".join(f"{name} {c.covered} of {c.count}" for name, c in partly.items())
        lines.append(f"classes with a word vector: {covered}; others are compared by words alone")
    if protocol.leaks is None:
        lines.append("what the model was trained on is unknown: no claim of zero-shot")
    for name, listed in protocol.targets.items():
        if listed.without_vector:
            lines.append(
                f"{name}: {len(listed.without_vector)} classes have words without a vector and "
                f"were left out (semantics.oov): {', '.join(listed.without_vector)}"
            )
    source = record.source
    if source and source.without_vector:
        lines.append(
            f"{len(source.without_vector)} classes of the source have words without a vector and "
            f"were not trained on (semantics.oov): {', '.join(source.without_vector)}"
        )
    if source and source.quarantined:
        lines.append(
            f"{len(source.quarantined)} training videos were found unreadable when the set was "
            "prepared, and took no part (metrics.json names them)"
        )
    if source and source.unreadable_replaced:
        lines.append(
            f"{len(source.unreadable_replaced)} unreadable training videos were "
            f"{'left out' if record.head else 'replaced by others'} (metrics.json names them)"
        )
    for name, target in record.targets.items():
        lines += beyond_the_table(name, target)
        if target.unreadable:
            lines.append(
                f"{name}: {len(target.unreadable)} unreadable test videos were left out "
                "(metrics.json names them)"
            )
    return lines


def gate_line(gate: Gate) -> str:
    """Say what a novelty gate makes of generalised scoring."""
    auroc = "undefined, all are equal" if gate.auroc is None else f"{gate.auroc:.3f}"
    return (
        f"by the novelty gate: unseen {gate.unseen:.1f} %, seen {gate.seen:.1f} %, harmonic mean "
        f"{gate.harmonic:.1f} %, AUROC of novelty {auroc}"
    )


def beyond_the_table(name: str, target: TargetRecord) -> list[str]:
    """Say what the evaluations found that are no accuracy over draws, and which were left out."""
    lines = []
    for numbers in target.evaluations.values():
        if numbers.unseen is not None:
            text = f"{name}: generalised, mean over classes: unseen {numbers.unseen:.1f} %"
            if numbers.harmonic is None:
                text += "; no seen videos were embedded (source@seen), so no harmonic mean"
            else:
                text += (
                    f", seen {numbers.seen:.1f} %, harmonic mean {numbers.harmonic:.1f} %, "
                    f"area {numbers.ausuc:.3f}"
                )
            if numbers.gate is not None:
                text += f"; {gate_line(numbers.gate)}"
            lines.append(text)
        if numbers.distances is not None:
            half = numbers.farthest_half
            lines.append(
                f"{name}: the {half.classes} classes farther than {half.threshold:.2f} "
                f"from training: top-1 {half.shown('top1')} % of all {numbers.candidates} "
                "candidates (metrics.json has the curve of Fig. 7)"
            )
    for evaluation, why in target.not_applicable.items():
        lines.append(f"{name}: evaluation {evaluation} left out: {why}")
    return lines
