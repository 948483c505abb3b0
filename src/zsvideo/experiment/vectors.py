"""Which word vectors a run uses: settled and checked before anything slow, known to a job's hash.

`semantics.path` names a file; or `googlenews`, the full file, which is found under `paths.data` or
fetched there; or `auto`, which is the embedded subset where that has every word of the classes (as
of generated videos), and else, and for the data sets of the paper, `googlenews`. What is at hand
has no say in it.
"""

import fcntl
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from zsvideo.data.datasets import named
from zsvideo.data.datasets.base import Archive, VideoSet
from zsvideo.data.downloads import check, fetch
from zsvideo.errors import UserError
from zsvideo.experiment.jobs import first_stage
from zsvideo.semantics.class_lists import NotListedError
from zsvideo.semantics.class_vectors import ClassVectors
from zsvideo.semantics.protocol import Protocol, decide
from zsvideo.semantics.vectors import (
    EMBEDDED,
    FILES,
    GENSIM,
    WordVectors,
    embedded,
    embedded_file,
    full_file,
)
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
    config: DictConfig, roles: Sequence[str] = TRAINED, trained: dict[str, Any] | None = None
) -> None:
    """Put the file of vectors into `semantics`, and check that it has the words of the classes.

    Args:
        config: the whole config.
        roles: which of its data sets are used.
        trained: `protocol.json` of the run whose network is tested; its vectors are taken.

    Raises:
        UserError: a data set is not there; or the file is not, and cannot be fetched; or words of
            classes that are there have no vector.
    """
    check_data(config, roles)
    file = located(config, choice(config, roles, trained)) or fetched(config)
    vectors = put(config, file)
    log.info("word vectors: %s", file)
    for classes, names in needed(config, roles, vectors, lambda videos: videos.present_classes()):
        vectors.pick(classes, names)
    config.semantics.sha256 = vectors.sha256


def settle_names(config: DictConfig) -> None:
    """Put the file of vectors into `semantics` for the audit, which goes on without the full one.

    Raises:
        UserError: the file is not there, or, asked for by `semantics=googlenews`, not to be had.
    """
    file = located(config, choice(config))
    if file is None and config.semantics.path == AUTO:
        log.warning(
            "the full GoogleNews word vectors are not under %s: audited with the embedded subset "
            "of them (semantics=googlenews fetches %s)",
            config.paths.data,
            size(),
        )
        file = embedded_file()
    put(config, file or fetched(config))
    log.info("word vectors: %s", config.semantics.path)


def fetch_early(config: DictConfig) -> None:
    """Fetch the full file before any job of a sweep starts, if this job needs it and has its data.

    Raises:
        UserError: it cannot be fetched.
    """
    try:
        missing = located(config, choice(config)) is None
        check_data(config, TRAINED)
    except UserError:  # the job itself says so
        return
    if missing:
        fetched(config)


def vectors_hash(config: DictConfig) -> str:
    """Hash the vectors that a job uses (sha256 of the file's content), fetching nothing.

    Where the file is not there this is its published checksum, or its place.
    """
    if sha256 := config.semantics.get("sha256"):
        return str(sha256)
    try:
        file = located(config, choice(config))
    except UserError:  # no data: the job itself says so
        return AUTO
    if file is None:
        return ITEM.checksum
    return WordVectors(str(file), config.semantics.cache).sha256 if file.is_file() else str(file)


def planned(configs: Iterable[DictConfig]) -> list[str]:
    """Say for `--dry-run` which vectors jobs use, what is fetched, and which words are missing."""
    groups = ("semantics", "protocol", "source", "target", "pretrain", "paths.data")
    jobs = {str([OmegaConf.select(job, g) for g in groups]): job for job in configs}
    lines: list[str] = []
    for job in jobs.values():
        try:
            lines += planned_job(job)
        except UserError as error:  # classes of own folders that are not there
            lines.append(f"word vectors: unknown yet: {error}")
    return list(dict.fromkeys(lines))


def planned_job(config: DictConfig) -> list[str]:
    """Say which vectors one job uses, and what would stop it because words have none.

    The classes are those of the published lists, so that no videos are needed.

    Raises:
        UserError: the classes of an own data set cannot be listed.
    """
    file = located(config, choice(config))
    if file is None:
        where = f"{config.paths.data}: {size()} will be fetched from {ITEM.url}"
        return [f"word vectors: the full GoogleNews file is not under {where}"]
    if not file.is_file():
        return [f"word vectors: no file at {file} (semantics.path)"]
    job, cache, lines = config.copy(), Path(config.semantics.cache).expanduser(), []
    with TemporaryDirectory() as folder:
        vectors = put(job, file)
        vectors.cache = cache if cache.is_dir() else Path(folder)
        for classes, names in needed(job, TRAINED, vectors, lambda videos: videos.class_list()):
            try:
                vectors.pick(classes, names)
            except UserError as error:
                lines.append(f"MISSING: {error}")
    return [f"word vectors: {file}", *lines]


def put(config: DictConfig, file: Path) -> WordVectors:
    """Let `semantics` be this file; give its vectors."""
    with open_dict(config):
        config.semantics._target_ = f"{WordVectors.__module__}.{WordVectors.__name__}"
        config.semantics.path = str(file)
        config.semantics.setdefault("sha256", None)
    vectors: WordVectors = instantiate(config.semantics)
    return vectors


def needed(
    config: DictConfig,
    roles: Sequence[str],
    vectors: WordVectors,
    names_of: Callable[[VideoSet], list[str]],
) -> Iterator[tuple[ClassVectors, list[str]]]:
    """Give the classes that must have a vector: those tested, and those left to train on.

    Args:
        config: the whole config.
        roles: which of its data sets are used.
        vectors: of the words.
        names_of: lists the classes of a data set.

    Yields:
        The classes of a data set, and which of them are needed.
    """
    tested = {}
    for name, values in (config.get("target") or {}).items() if "target" in roles else ():
        videos = named(values, f"target.{name}")
        if names := names_of(videos):
            try:
                names = Protocol(**config.protocol).tested(videos.table or name, names)
            except NotListedError:  # of no class of this target; it is not tested
                continue
            tested[name] = vectors.of(names, name, videos.table)
            yield tested[name], names
    stages = {"source": config, "pretrain.source": first_stage(config)}
    for group, stage in stages.items():
        if stage is None or "source" not in roles:
            continue
        videos = named(stage.source, group)
        source = vectors.of(videos.class_list(), videos.name, videos.table)
        if source.unknown:
            protocol = Protocol(**stage.protocol)
            decisions, _, _ = decide(protocol, source, tested, vectors)
            kept = {d.name for d in decisions if d.kept}
            yield source, [name for name in names_of(videos) if name in kept]


def check_data(config: DictConfig, roles: Sequence[str]) -> None:
    """Check that the data sets are there; raises UserError."""
    for videos in data_sets(config, roles):
        videos.check_there()


def data_sets(config: DictConfig, roles: Sequence[str]) -> list[VideoSet]:
    """List the data sets of a config that are loaded."""
    first = config.get("pretrain") or {}
    sets = {
        "source": {"source": config.get("source")},
        "target": {f"target.{n}": t for n, t in (config.get("target") or {}).items()},
        "pretrain": {"pretrain.source": None if first.get("ckpt") else first.get("source")},
        "seen": {"seen": config.get("seen")},
    }
    return [named(v, group) for role in roles for group, v in sets[role].items() if v]


def choice(
    config: DictConfig, roles: Sequence[str] = TRAINED, trained: dict[str, Any] | None = None
) -> str:
    """Give the file that `semantics` names, `FULL` or `EMBEDDED`; see the head of this module.

    Args:
        config: the whole config.
        roles: which of its data sets are used.
        trained: see `settle`.

    Raises:
        UserError: the classes of an own data set cannot be listed.
    """
    name = OmegaConf.select(config, "semantics.path")
    if name != AUTO:
        return str(name or EMBEDDED)
    if trained and trained.get("vectors"):
        return EMBEDDED if trained["vectors"]["file"] == EMBEDDED else FULL
    sets = data_sets(config, roles)
    if any(videos.table in PAPER for videos in sets):
        return FULL
    rules, others = config.semantics.word_rules, [v for v in sets if not v.generated]
    asked = {w for v in others for name in v.class_list() for w in words(name, v.table, rules)}
    return EMBEDDED if embedded_has(frozenset(asked)) else FULL


@cache
def embedded_has(asked: frozenset[str]) -> bool:
    """Tell whether the embedded subset has all of some words."""
    vectors = embedded(cache="")
    return not asked or all(vectors.known(vectors.find(set(asked)), word) for word in asked)


def located(config: DictConfig, name: str) -> Path | None:
    """Find the file that `choice` gives; None where the full file is to be fetched."""
    if name == EMBEDDED:
        return embedded_file()
    if name != FULL:
        return Path(name).expanduser()
    return full_file(Path(config.paths.data).expanduser())


def fetched(config: DictConfig) -> Path:
    """Fetch the full file into `paths.data`; an interrupted download goes on.

    Raises:
        UserError: it cannot be fetched, or is not the one expected.
    """
    data = Path(config.paths.data).expanduser()
    folder = data / "word2vec" / "archives"
    file, part = data / "word2vec" / ITEM.name, folder / ITEM.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be fetching it
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
