"""Class names to words (Sec. 4.4), by the authors' rules and by repaired ones.

`legacy` are the authors' rules, faults included: their replacements, their stop words, and the
shortest WordNet verb lemma (riding becomes rid). `fixed` has right lemmas and repaired
replacements, and gives one action the same bag of words however a data set spells it (pushups and
push up, ride horse and horseback riding). Replacements are data: `tables/replacements.tsv`. The
words of the published data sets are kept as tables; `python -m zsvideo.semantics.words check`
compares them with the rules, `write` makes them anew. Other names are tokenised by the same rules.
"""

import csv
import hashlib
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from zsvideo.errors import UserError
from zsvideo.names import one_form

TABLES = Path(__file__).parent / "tables"
SUMS = "SHA256SUMS"
PAPER = (  # the data sets of the paper, whose names the authors' rules know
    "kinetics400",
    "kinetics600",
    "kinetics700",
    "ucf101",
    "hmdb51",
    "activitynet",
    "sun397",
)
OTHERS = [  # class tables of other data sets: those that begin with names
    file.stem
    for file in sorted(TABLES.glob("*.tsv"))
    if file.stem not in PAPER and file.read_text(encoding="utf-8").startswith("name")
]
DATASETS = (*PAPER, *OTHERS)
RULES = ("legacy", "fixed")
KINETICS = frozenset(("a", "the", "of", "and", "at", "on", "in", "an", "or", "do", "using", "with"))
STOP_WORDS = {"any": KINETICS, "kinetics": KINETICS, "activitynet": KINETICS - {"or"}}
FIXED_STOP_WORDS = KINETICS | {"doing"}
SUFFIXES = (  # WordNet's rules of detachment for verbs, in its order
    ("s", ""),
    ("ies", "y"),
    ("es", "e"),
    ("es", ""),
    ("ed", "e"),
    ("ed", ""),
    ("ing", "e"),
    ("ing", ""),
)


def class_names(dataset: str) -> tuple[str, ...]:
    """List the class names of a published data set as it spells them, in its own order.

    Raises:
        UserError: there is no table of that data set.
    """
    return tuple(row["name"] for row in table(dataset))


def words(name: str, dataset: str | None = None, rules: str = "legacy") -> tuple[str, ...]:
    """Give the words of a class name, in order.

    Args:
        name: as the data set spells it; spaces and underscores are the same.
        dataset: one of `DATASETS`, whose table is asked first; None for any other data set.
        rules: `legacy` or `fixed`.

    Raises:
        UserError: unknown rules or data set, or a name without words.
    """
    if rules not in RULES:
        raise UserError(f"semantics.word_rules={rules} is unknown; allowed: {', '.join(RULES)}")
    if dataset is not None and (listed := by_name(dataset, rules).get(plain_name(name))):
        return listed
    if not (tokens := tokenise(name, dataset, rules)):
        raise UserError(f"the class name {name!r} has no words; rename it")
    return tokens


def tokenise(name: str, dataset: str | None, rules: str) -> tuple[str, ...]:
    """Apply the rules of a data set's family to a name, without its table."""
    family = re.sub(r"^kinetics\d+$", "kinetics", dataset) if dataset in PAPER else "any"
    by_hand = replacements(rules)
    tokens = by_hand.get((family, plain_name(name)))
    if family == "sun397":
        return tokens or tuple(plain_name(name).lower().replace("/", " ").split())
    if tokens is None:
        tokens = tuple(
            word
            for token in split(name, family, rules)
            for word in by_hand.get(("any word", token), (base_form(token, rules),))
        )
    return by_hand.get(("any bag", bag(tokens)), tokens)


def split(name: str, family: str, rules: str) -> list[str]:
    """Cut the name of an action into lower-case words: at capitals (UCF101), at spaces and `_`.

    Names of no published set are also cut at hyphens and other punctuation, and lose the number
    before a dot or bracket that a list gave them. Stop words and what
    follows `(not` are dropped; `fixed` has the stop words of Kinetics and `doing` for all sets,
    `legacy` none for UCF101 and HMDB51. A name of stop words alone keeps them.
    """
    spaced = plain_name(name)
    if family == "ucf101":
        spaced = re.sub(r"(?=[A-Z])", " ", spaced)
    elif family == "any":
        spaced = re.sub(r"^\d+[.)]\s*(?=\D)", "", spaced)  # a number of the list: `002.run`
        humps = r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
        spaced = re.sub(rf"{humps}|'s\b|(?<!\w)'|'(?!\w)|[^\w\s()']", " ", spaced)
    stop = FIXED_STOP_WORDS if rules == "fixed" else STOP_WORDS.get(family, frozenset())
    tokens = spaced.lower().split()
    tokens = [token for token in tokens if token not in stop] or tokens
    if "(not" in tokens:
        tokens = tokens[: tokens.index("(not")]
    bare = (token.replace("(", "").replace(")", "") for token in tokens)
    return [token for token in bare if token]


def base_form(word: str, rules: str) -> str:
    """Give the base form of a word that can be a verb; any other word stays as it is.

    `legacy` takes WordNet's shortest lemma. `fixed` keeps a word that is itself a verb, and where
    a stem exists with and without e, takes the one from which the form is regularly made: riding
    comes from ride, since rid would give ridding; bathing from bathe.
    """
    verbs, irregular = verb_forms()
    formed = irregular.get(word) or [
        word[: len(word) - len(old)] + new for old, new in SUFFIXES if word.endswith(old)
    ]
    lemmas = [form for form in dict.fromkeys([word, *formed]) if form in verbs]
    if not lemmas:
        return word
    if rules == "legacy":
        return min(lemmas, key=len)
    if word.endswith(("ing", "ed")) and len(lemmas) == 2 and lemmas[0] == lemmas[1] + "e":
        with_e = re.search(r"(^|[^aeiou])[aeiou][^aeiouwxy]$|th$", lemmas[1])
        return lemmas[0] if with_e else lemmas[1]
    return lemmas[0]


@cache
def verb_forms() -> tuple[frozenset[str], dict[str, list[str]]]:
    """Read WordNet 3.0's verbs, and its irregular forms with their verbs."""
    verbs, irregular = set(), {}
    for line in (TABLES / "verbs.txt").read_text(encoding="utf-8").splitlines():
        form, tab, lemmas = line.partition("\t")
        if tab:
            irregular[form] = lemmas.split()
        elif not line.startswith("#"):
            verbs.add(form)
    return frozenset(verbs), irregular


@cache
def plain_name(name: str) -> str:
    """Make spellings of one name equal: one Unicode form, no leading folder, `_` as a space."""
    return re.sub(r"^/\w/", "", one_form(name)).strip().replace("_", " ")


def read_table(file: str) -> list[dict[str, str]]:
    """Read a tab-separated table.

    Raises:
        UserError: it is not the table that `SHA256SUMS` notes.
    """
    content = (TABLES / file).read_bytes()
    sums = dict(
        line.split()[::-1] for line in (TABLES / SUMS).read_text(encoding="utf-8").splitlines()
    )
    if sums.get(file) != hashlib.sha256(content).hexdigest():
        raise UserError(
            f"src/zsvideo/semantics/tables/{file} was changed: its hash is not the one in {SUMS}; "
            "restore it, or note a change made on purpose: python -m zsvideo.semantics.words write"
        )
    lines = content.decode("utf-8").splitlines()
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def write_sums() -> None:
    """Note the hash of every table, as `sha256sum` does."""
    rows = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        for file in sorted(TABLES.glob("*.tsv"))
    ]
    (TABLES / SUMS).write_text("".join(rows))


@cache
def table(dataset: str) -> list[dict[str, str]]:
    """Read the table of a data set: `name`, `legacy` and `fixed` words."""
    if dataset not in DATASETS:
        raise UserError(f"no class table of {dataset}; there are: {', '.join(DATASETS)}")
    return read_table(f"{dataset}.tsv")


@cache
def by_name(dataset: str, rules: str) -> dict[str, tuple[str, ...]]:
    """Map the names of a data set to their words."""
    return {plain_name(row["name"]): tuple(row[rules].split()) for row in table(dataset)}


def bag(tokens: Iterable[str]) -> str:
    """Write words without their order."""
    return " ".join(sorted(tokens))


@cache
def replacements(rules: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Map (where, name) to the words set by hand.

    Where is a data set (then a whole name), `any word` (one token, before its base form) or
    `any bag` (all words of an action, in any order, after it).
    """
    return {
        (where, bag(row["name"].split()) if where == "any bag" else plain_name(row["name"])): tuple(
            row[rules].split()
        )
        for row in read_table("replacements.tsv")
        if row[rules] and (where := row["dataset"])
    }


def made(dataset: str) -> str:
    """Make the table of a data set from its names and the rules."""
    lines = ["name\tlegacy\tfixed"]
    for name in class_names(dataset):
        lines.append("\t".join([name, *(" ".join(tokenise(name, dataset, r)) for r in RULES)]))
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Check the tables against the rules, or write them; 0 if they are equal."""
    if arguments not in (["check"], ["write"]):
        print("usage: python -m zsvideo.semantics.words check|write", file=sys.stderr)
        return 2
    status = 0
    if arguments == ["write"]:
        write_sums()
    for dataset in DATASETS:
        file = TABLES / f"{dataset}.tsv"
        if arguments == ["write"]:
            file.write_text(made(dataset), encoding="utf-8")
            write_sums()
        same = file.read_text(encoding="utf-8") == made(dataset)
        status |= not same
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        result = "equal" if same else "DIFFERENT"
        print(f"{dataset}: {len(class_names(dataset))} classes, {result}, sha256 {digest}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
