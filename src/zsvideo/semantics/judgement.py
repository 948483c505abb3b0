"""The audit beside somebody else's judgement of which test classes a training set covers.

`xov_action.tsv` are the classes of UCF101 and HMDB51 that XOV-Action (Lin et al., 2024) calls
closed-set after Kinetics-400, from the test lists of its repository (`datasets_splits`); its others
are open-set.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zsvideo.errors import UserError
from zsvideo.semantics.class_lists import ClassList, NotListedError
from zsvideo.semantics.class_vectors import ClassVectors
from zsvideo.semantics.pairs import LEAKS
from zsvideo.semantics.words import TABLES

OPTION = "judged"
CALLS = {"duplicate": ("duplicate",), "duplicate or contained": LEAKS}


def compare_judgement(
    file: str,
    training: Mapping[str, ClassVectors],
    tested: Sequence[ClassVectors],
    audited: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Compare what the audit says of test classes with a list of those that are covered.

    Args:
        file: a table of the project or a tab-separated file with columns `dataset`, `name`, and
            perhaps `trained_on`, the class table that was judged; or names, one a line.
        training: the sets of classes trained on, by role.
        tested: the targets.
        audited: the entry of `zsvideo.semantics.audit.audit` of each role.

    Returns:
        For each role and target that the list is of: `role`, `trained_on`, `target`, its number of
        `classes`, how many are `covered` by the judgement, and `calls`, what the audit's grades
        say of it: `agree`, Cohen's `kappa`, and the classes that `only_list` and `only_audit` have.

    Raises:
        UserError: the file is no such list, or of none of these sets.
    """
    judged = ClassList.read(file, None, OPTION)
    of = trained_on(file)
    rows = []
    for role, classes in training.items():
        if of and classes.table not in of:
            continue
        for target in tested:
            try:
                covered = {*judged.of(target.table or target.dataset, target.names)}
            except NotListedError:
                continue
            rows.append(
                {
                    "role": role,
                    "trained_on": classes.dataset,
                    "target": target.dataset,
                    "classes": len(target.names),
                    "covered": len(covered),
                    "calls": {
                        name: agreement(target, covered, called(target, audited[role], grades))
                        for name, grades in CALLS.items()
                    },
                }
            )
    if not rows:
        judges = f" after {', '.join(sorted(of))}" if of else ""
        raise UserError(
            f"{OPTION}={file} judges {', '.join(map(str, judged.names))}{judges}, which is not "
            "what is audited; choose source=... and target=[...] that it is of"
        )
    return rows


def trained_on(file: str) -> set[str]:
    """Read which training sets a table judges; empty where it does not say so."""
    own = TABLES / Path(file).name
    place = own if Path(file).name == file and own.is_file() else Path(file).expanduser()
    lines = place.read_text(encoding="utf-8-sig").splitlines()
    table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return {row["trained_on"] for row in table if row.get("trained_on")}


def called(target: ClassVectors, audited: Mapping[str, Any], grades: Sequence[str]) -> set[str]:
    """Name the test classes that have a pair of these grades with a class trained on."""
    names = {f"{target.dataset}/{name}": name for name in target.names}
    pairs = [pair for row in audited["classes"] for pair in row["pairs"]]
    return {names[p["target"]] for p in pairs if p["grade"] in grades and p["target"] in names}


def agreement(target: ClassVectors, covered: set[str], ours: set[str]) -> dict[str, Any]:
    """Compare two sets of test classes: how many are said alike, and Cohen's kappa of that."""
    total = len(target.names)
    agree = (total - len(covered ^ ours)) / total
    both = len(covered) * len(ours) + (total - len(covered)) * (total - len(ours))
    chance = both / total**2
    return {
        "agree": total - len(covered ^ ours),
        "kappa": 1.0 if chance == 1 else (agree - chance) / (1 - chance),
        "only_list": sorted(covered - ours),
        "only_audit": sorted(ours - covered),
    }


def judgement_remarks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say in lines how far the audit and the judgement agree."""
    lines = []
    for row in rows:
        lines.append(
            f"{row['target']} after {row['trained_on']} ({row['role']}): {row['covered']} of "
            f"{row['classes']} classes are judged covered"
        )
        for name, call in row["calls"].items():
            differences = [
                f"{where} {', '.join(call[key])}"
                for where, key in (("only the list has", "only_list"), ("only ours", "only_audit"))
                if call[key]
            ]
            lines.append(
                f"{row['target']}, {name}: {call['agree']} of {row['classes']} alike, kappa "
                f"{call['kappa']:.3f}{'; ' * bool(differences)}{'; '.join(differences)}"
            )
    return lines
