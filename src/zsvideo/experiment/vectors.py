"""Which word vectors a run uses: settled and checked before anything slow, known to a job's hash.

`semantics.path` names a file; or `googlenews`, the full file, which is found under `paths.data` or
fetched there; or `auto`, which is the embedded subset where that has every word of the classes (as
of generated videos), and else, and for the data sets of the paper, `googlenews`. What is at hand
has no say in it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import DictConfig

from zsvideo.data.datasets.base import Archive, VideoSet
from zsvideo.data.downloads import check, fetch
from zsvideo.errors import UserError
from zsvideo.experiment.composed import Claim
from zsvideo.experiment.options import Semantics
from zsvideo.locks import lock
from zsvideo.options import plain
from zsvideo.semantics.class_lists import NotListedError
from zsvideo.semantics.class_vectors import ClassVectors
from zsvideo.semantics.googlenews import EMBEDDED, FILES, GENSIM, embedded_file, full_file
from zsvideo.semantics.protocol import decide
from zsvideo.semantics.vectors import WordVectors, embedded
from zsvideo.semantics.words import PAPER, words

log = logging.getLogger(__name__)

AUTO, FULL = "auto", "googlenews"
ITEM = Archive(  # as gensim-data lists it
    f"https://github.com/RaRe-Technologies/gensim-data/releases/download/{GENSIM}/{GENSIM}.gz",
    size=1_743_563_840,
    checksum="md5:a5e5354d40acb95f9ec66d5977d140ef",
)
PAUSE = 0.2  # seconds before a download is tried again, doubled each time
TRAINED, TESTED = ("source", "target", "pretrain", "seen"), ("target", "seen")


def settle(
    claim: Claim, roles: Sequence[str] = TRAINED, trained: Mapping[str, Any] | None = None
) -> Semantics:
    """Name the file of class vectors, after a check that it has the words of the classes.

    Args:
        claim: the data sets, and the vectors asked for.
        roles: which of its data sets are used.
        trained: `protocol.json` of the run whose network is tested; its vectors are taken.

    Raises:
        UserError: a data set is not there; or the file is not, and cannot be fetched; or words of
            classes that are there have no vector.
    """
    claim.check_data(*roles)
    file = located(choice(claim, roles, trained), claim.data) or fetched(claim.data)
    semantics = replace(claim.semantics, path=str(file))
    vectors = word_vectors(semantics)
    log.info("word vectors: %s", file)
    for need in needed(claim, roles, vectors, lambda videos: videos.present_classes()):
        check_vectors(vectors, *need)
    return replace(semantics, sha256=vectors.sha256)


def settle_names(claim: Claim) -> Semantics:
    """Name the file of class vectors for the audit, which goes on without the full one.

    Raises:
        UserError: the file is not there, or, asked for by `semantics=googlenews`, not to be had.
    """
    file = located(choice(claim), claim.data)
    if file is None and claim.semantics.path == AUTO:
        log.warning(
            "the full GoogleNews word vectors are not under %s: audited with the embedded subset "
            "of them (semantics=googlenews fetches %s)",
            claim.data,
            size(),
        )
        file = embedded_file()
    semantics = replace(claim.semantics, path=str(file or fetched(claim.data)))
    log.info("word vectors: %s", semantics.path)
    return semantics


def fetch_early(config: DictConfig) -> None:
    """Fetch the full file before any job of a sweep starts, if this job needs it and has its data.

    Raises:
        UserError: it cannot be fetched.
    """
    try:
        claim = Claim.of(config)
        missing = located(choice(claim), claim.data) is None
        claim.check_data(*TRAINED)
    except UserError:  # the job itself says so
        return
    if missing:
        fetched(claim.data)


def vectors_hash(config: DictConfig) -> str:
    """Hash the vectors that a job uses (sha256 of the file's content), fetching nothing.

    Where the file is not there this is its published checksum, or its place.
    """
    if sha256 := config.semantics.get("sha256"):
        return str(sha256)
    try:
        claim = Claim.of(config)
        file = located(choice(claim), claim.data)
    except UserError:  # no data: the job itself says so
        return AUTO
    if file is None:
        return ITEM.checksum
    return WordVectors(str(file), str(claim.cache)).sha256 if file.is_file() else str(file)


def planned(configs: Iterable[DictConfig]) -> list[str]:
    """Say for `--dry-run` which vectors jobs use, what is fetched, and which words are missing."""
    lines: dict[str, list[str]] = {}
    for config in configs:
        try:
            claim = Claim.of(config)
            if (key := repr(claim)) not in lines:
                lines[key] = planned_job(claim)
        except UserError as error:  # classes of own folders that are not there
            lines[str(error)] = [f"word vectors: unknown yet: {error}"]
    return list(dict.fromkeys(line for own in lines.values() for line in own))


def planned_job(claim: Claim) -> list[str]:
    """Say which vectors one job uses, and what would stop it because words have none.

    The classes are those of the published lists, so that no videos are needed.

    Raises:
        UserError: the classes of an own data set cannot be listed.
    """
    file = located(choice(claim), claim.data)
    if file is None:
        where = f"{claim.data}: {size()} will be fetched from {ITEM.url}"
        return [f"word vectors: the full GoogleNews file is not under {where}"]
    if not file.is_file():
        return [f"word vectors: no file at {file} (semantics.path)"]
    lines, cache = [], Path(claim.semantics.cache).expanduser()
    with TemporaryDirectory() as folder:
        kept = str(cache if cache.is_dir() else folder)
        vectors = word_vectors(replace(claim.semantics, path=str(file), cache=kept))
        for need in needed(claim, TRAINED, vectors, lambda videos: videos.class_list()):
            try:
                check_vectors(vectors, *need)
            except UserError as error:
                lines.append(f"MISSING: {error}")
    return [f"word vectors: {file}", *lines]


def word_vectors(semantics: Semantics) -> WordVectors:
    """Open the file that `semantics` names; raises UserError."""
    return WordVectors(**plain(semantics))


def check_vectors(
    vectors: WordVectors, classes: ClassVectors, names: Sequence[str], option: str
) -> None:
    """Check that the classes of a data set have vectors, or some where others are left out.

    Args:
        vectors: of the words.
        classes: of the set.
        names: those needed.
        option: that names the set.

    Raises:
        UserError: they have not.
    """
    if len(vectors.pick(classes, names)) or not names:
        return
    listed = f"{', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
    raise UserError(
        f"{option}: none of the {len(names)} classes ({listed}) has a vector in "
        f"{vectors.path.name}, so nothing is left of this set; name classes by words that have "
        "one, or take other vectors: semantics=googlenews, or semantics.path=FILE"
    )


def needed(
    claim: Claim,
    roles: Sequence[str],
    vectors: WordVectors,
    names_of: Callable[[VideoSet], list[str]],
) -> Iterator[tuple[ClassVectors, list[str], str]]:
    """Give the classes that must have a vector: those tested, and those left to train on.

    Args:
        claim: the data sets, and the protocol that keeps them apart.
        roles: which of its data sets are used.
        vectors: of the words.
        names_of: lists the classes of a data set.

    Yields:
        The classes of a data set, which of them are needed, and the option that names the set.
    """
    tested = {}
    for name, videos in claim.targets.items() if "target" in roles else ():
        if names := names_of(videos):
            try:
                names = claim.protocol.tested(videos.table or name, names)
            except NotListedError:  # of no class of this target; it is not tested
                continue
            tested[name] = vectors.of(names, name, videos.table)
            yield tested[name], names, videos.option
    if "source" not in roles:
        return
    for videos, protocol in claim.stages:
        source = vectors.of(videos.class_list(), videos.name, videos.table)
        if source.unknown:
            decisions, _, _ = decide(protocol, source, tested, vectors)
            kept = {d.name for d in decisions if d.kept}
            yield source, [name for name in names_of(videos) if name in kept], videos.option


def choice(
    claim: Claim, roles: Sequence[str] = TRAINED, trained: Mapping[str, Any] | None = None
) -> str:
    """Give the file that `semantics` names, `FULL` or `EMBEDDED`; see the head of this module.

    Args:
        claim: the data sets, and the vectors asked for.
        roles: which of its data sets are used.
        trained: see `settle`.

    Raises:
        UserError: the classes of an own data set cannot be listed.
    """
    if claim.semantics.path != AUTO:
        return claim.semantics.path or EMBEDDED
    if trained and trained.get("vectors"):
        return EMBEDDED if trained["vectors"]["file"] == EMBEDDED else FULL
    sets = claim.sets(*roles)
    if any(videos.table in PAPER for videos in sets):
        return FULL
    rules, others = claim.semantics.word_rules, [v for v in sets if not v.generated]
    vocabulary = {w for v in others for name in v.class_list() for w in words(name, v.table, rules)}
    return EMBEDDED if embedded_has(frozenset(vocabulary)) else FULL


@cache
def embedded_has(vocabulary: frozenset[str]) -> bool:
    """Tell whether the embedded subset has all of some words."""
    if not vocabulary:
        return True
    vectors = embedded(cache="")
    rows = vectors.find(set(vocabulary))
    return all(vectors.known(rows, word) for word in vocabulary)


def located(name: str, data: Path) -> Path | None:
    """Find the file that `choice` gives; None where the full file is to be fetched into `data`."""
    if name == EMBEDDED:
        return embedded_file()
    if name != FULL:
        return Path(name).expanduser()
    return full_file(data)


def fetched(data: Path) -> Path:
    """Fetch the full file into the folder of all data; an interrupted download goes on.

    Raises:
        UserError: it cannot be fetched, or is not the one expected.
    """
    folder = data / "word2vec" / "archives"
    file, part = data / "word2vec" / ITEM.name, folder / ITEM.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as own:
            lock(own)  # another run may be fetching it
            if not file.is_file():
                log.info("fetching the full GoogleNews word vectors (%s) to %s", size(), file)
                if not part.is_file():
                    fetch(ITEM, part, folder / f"{ITEM.name}.json", PAUSE)
                check(ITEM, part, folder / f"{ITEM.name}.json")
                part.replace(file)
    except (UserError, OSError) as error:
        raise UserError(
            f"the full GoogleNews word vectors ({size()}) are needed and not under {data}; they "
            f"cannot be fetched: {error}; put {FILES[0]} or {FILES[1]} into {data}, or name it: "
            "semantics.path=FILE"
        ) from None
    return file


def size() -> str:
    """Write the size of the download."""
    return f"{(ITEM.size or 0) / 1e9:.1f} GB"
