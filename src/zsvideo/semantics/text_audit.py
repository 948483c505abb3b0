"""The audit of what is said of classes: texts that name another class, and texts that are shared.

Words are compared in base forms, without stop words and whatever their order in a row, as they
are spelled and as `fixed` gives them (`zsvideo.semantics.words`): `riding a horse` names
HorseRiding.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from zsvideo.semantics.class_texts import NAME, ClassTexts, in_words
from zsvideo.semantics.class_vectors import ClassVectors
from zsvideo.semantics.words import base_form, plain_name, split, words

Words = tuple[str, ...]  # of a name, sorted
Names = Mapping[str, tuple[Words, Words]]  # classes by their words, as `fixed` and as spelled


def audit_texts(texts: ClassTexts, sets: Sequence[ClassVectors]) -> dict[str, Any]:
    """Audit the texts of classes.

    Args:
        texts: what is said of them.
        sets: the classes trained on and tested, by data set.

    Returns:
        Plain data: `described`, how many classes of each data set have a description;
        `mentions`, each with the `class` (`data set/name`, or `prompts`), its `text` and the
        `names` of other classes in it; `shared`, each with a `text` and the `classes` of one data
        set that have it; `strangers`, described names of no class.
    """
    names: dict[str, tuple[Words, Words]] = {}
    owners: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    described = dict.fromkeys((classes.dataset for classes in sets), 0)
    for classes in sets:
        for name in classes.names:
            fixed = tuple(sorted(words(name, classes.table, "fixed")))
            names[f"{classes.dataset}/{name}"] = fixed, tuple(sorted(base_forms(in_words(name))))
            for text in texts.of(name):
                owners[classes.dataset, text][name] = None
            described[classes.dataset] += texts.describes(name)
    mentions = [
        {"class": "prompts", "text": text, "names": found}
        for text in texts.prompts
        if (found := others_in(text, ((), ()), names))
    ]
    for classes in sets:
        for name in classes.names:
            label = f"{classes.dataset}/{name}"
            for text in texts.descriptions.get(plain_name(name), ()):
                if found := others_in(text, names[label], names):
                    mentions.append({"class": label, "text": text, "names": found})
    known = {plain_name(name) for classes in sets for name in classes.names}
    return {
        "described": described,
        "mentions": mentions,
        "shared": [
            {"text": text, "classes": [f"{dataset}/{name}" for name in own]}
            for (dataset, text), own in owners.items()
            if len(own) > 1
        ],
        "strangers": sorted(set(texts.descriptions) - known),
    }


def others_in(text: str, own: tuple[Words, Words], names: Names) -> list[str]:
    """List the classes that a text names, but those whose words are all in its class's own name."""
    parts = [base_forms(part) for part in text.split(NAME)]
    sizes = {len(name) for both in names.values() for name in both}
    there = {
        tuple(sorted(part[start : start + size]))
        for part in parts
        for size in sizes
        for start in range(len(part) - size + 1)
    }
    return [
        label
        for label, both in names.items()
        if there.intersection(both)
        and not any(set(theirs) <= set(ours) for theirs, ours in zip(both, own, strict=True))
    ]


def base_forms(text: str) -> Words:
    """Give the words of a text in base forms, without stop words."""
    return tuple(base_form(word, "fixed") for word in split(text, "any", "fixed"))


def text_remarks(audit: Mapping[str, Any]) -> list[str]:
    """List in words what a reader must know of the texts of classes."""
    lines = [
        f"{entry['class']}: its text names {', '.join(entry['names'])}: {entry['text']!r}"
        for entry in audit["mentions"]
    ]
    lines += [
        f"{', '.join(entry['classes'])} share a text: {entry['text']!r}"
        for entry in audit["shared"]
    ]
    if strangers := audit["strangers"]:
        lines.append(f"descriptions of no class here: {', '.join(strangers)}")
    return lines
