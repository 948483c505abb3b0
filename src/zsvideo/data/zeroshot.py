"""A source and its targets, joined and kept apart by a protocol (Sec. 3.3)."""

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.subsets import Draw, everything, record_subset
from zsvideo.errors import UserError
from zsvideo.semantics.class_vectors import ClassBank, ClassVectors
from zsvideo.semantics.holdout import hold_out
from zsvideo.semantics.protocol import Protocol, decide
from zsvideo.semantics.records import record, record_targets
from zsvideo.semantics.text_audit import audit_texts
from zsvideo.semantics.text_vectors import TextVectors, differing
from zsvideo.semantics.vectors import WordVectors
from zsvideo.semantics.words import class_names

NOTHING: dict[str, Any] = {"leaks": [], "survivors": []}


class TargetsDataModule(pl.LightningDataModule):
    """Any number of targets to test on (Sec. 3.3: one model, several test sets)."""

    def __init__(
        self,
        targets: dict[str, VideoDataModule],
        vectors: WordVectors,
        protocol: Protocol,
        texts: TextVectors | None = None,
    ) -> None:
        """Give each target the vectors of its classes, of all or of the protocol's fixed list.

        Args:
            targets: to test on.
            vectors: of the words; they alone keep classes apart.
            protocol: that keeps source and targets apart.
            texts: what makes the class vectors that are learned and scored; None takes those of
                the words.

        Raises:
            UserError: a class has words without a vector, or the fixed list is of no target.
        """
        super().__init__()
        sets = {name: (t.table or name, t.classes) for name, t in targets.items()}
        names = protocol.testable(sets)
        self.targets = {name: target for name, target in targets.items() if name in names}
        self.vectors, self.texts, self.test_only = vectors, texts, protocol.test_only
        self.tested = {
            name: vectors.of(names[name], name, target.table)
            for name, target in self.targets.items()
        }
        for name, target in self.targets.items():
            if protocol.test_only:
                target.restrict(self.tested[name].names)
            target.use(self.pick(self.tested[name], self.tested[name].names))

    def pick(self, classes: ClassVectors, names: Sequence[str]) -> ClassBank:
        """Choose what is scored for some of the classes: texts need no word vectors.

        Raises:
            UserError: a word of a chosen class has no vector, see `WordVectors.pick`.
        """
        if self.texts is not None:
            return self.texts.bank(names)
        return self.vectors.pick(classes, names)

    def from_texts(self, bank: ClassBank) -> ClassBank:
        """Give classes the vectors of their texts, where there are such."""
        return bank if self.texts is None else self.texts.bank(bank.names)

    @property
    def dimension(self) -> int:
        """D, of the class vectors."""
        return int(next(iter(self.targets.values())).bank.vectors.shape[1])

    @property
    def lists(self) -> dict[str, tuple[str, Sequence[str]]]:
        """Data set (class table, else name) and class names of each target."""
        return {name: (c.table or name, c.names) for name, c in self.tested.items()}

    @property
    def process(self) -> tuple[int, int]:
        """Rank of this process, and the world size."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def predict_dataloader(self) -> list[DataLoader[dict[str, Any]]]:
        """Load each target, in the order of `targets`."""
        return [target.predict_dataloader(*self.process) for target in self.targets.values()]

    def record(self, training: dict[str, Any] | None) -> dict[str, Any]:
        """Write down the protocol of a test, from that of the training.

        Args:
            training: the `protocol.json` of the run that trained the model; None if unknown,
                then overlap with the targets is unknown too.

        Raises:
            UserError: the model was trained with other word vectors, or other class vectors.
        """
        here = self.vectors.describe()
        if training is None:
            return {
                "name": None,
                "vectors": here,
                **record_targets(None, self.tested, self.test_only),
                **self.record_texts(),
            }
        self.check_vectors(training["vectors"], "the checkpoint")
        self.check_texts(training.get("class_vectors"), "the checkpoint")
        source = training["source"]
        trained = self.vectors.of(training["trained_classes"], source["dataset"], source["table"])
        audit = training | record_targets(trained, self.tested, self.test_only)
        audit |= self.record_texts(trained)
        if lineage := training.get("pretrain"):
            audit["pretrain"] = self.audit_lineage(lineage)
        return audit

    def record_untrained(self, lineage: dict[str, Any]) -> dict[str, Any]:
        """Write down a test of weights that nothing was trained on here.

        Args:
            lineage: of the weights, see `audit_lineage`.
        """
        own = {"trained_classes": [], **NOTHING, "pretrain": self.audit_lineage(lineage)}
        return self.record(None) | own

    def declare(
        self, protocol: Protocol, dataset: str, table: str | None, names: Sequence[str]
    ) -> dict[str, Any]:
        """Write down a training of which only its options are known, as `record` takes it.

        Args:
            protocol: it is said to have been trained by.
            dataset: it is said to have been trained on.
            table: its class table; None for own classes.
            names: its classes.
        """
        candidates = self.vectors.of(names, dataset, table)
        protocol.check_listed(candidates)
        decisions, kept_out, deciding = decide(protocol, candidates, self.tested, self.vectors)
        kept = [d.name for d in decisions if d.kept]
        return record(protocol, candidates, kept_out, decisions) | {
            "vectors": self.vectors.describe(),
            "deciding_vectors": deciding.describe(),
            "trained_classes": kept,
            **({} if self.texts is None else {"class_vectors": self.texts.describe()}),
            "declared": (
                f"declared, not known: trained on the {len(kept)} classes that protocol="
                f"{protocol.name} leaves of {dataset}"
            ),
        }

    def check_vectors(self, there: dict[str, Any], what: str) -> None:
        """Check that a model was trained with the word vectors that are used here.

        Raises:
            UserError: it was not.
        """
        here = self.vectors.describe()
        other = [k for k in ("sha256", "unit_words", "word_rules") if there[k] != here[k]]
        if other:
            raise UserError(
                f"{what} was trained with other word vectors ({there['file']}; "
                f"{', '.join(other)} differs) than {here['file']} here; give the same semantics "
                "options as in training, such as semantics=word2vec_small or semantics.path=FILE"
            )

    def record_texts(self, trained: ClassVectors | None = None) -> dict[str, Any]:
        """Write down class vectors that are made from texts, and the audit of the texts.

        Of those of words nothing is written.
        """
        if self.texts is None:
            return {}
        sets = [*([] if trained is None else [trained]), *self.tested.values()]
        return {
            "class_vectors": self.texts.describe(),
            "class_texts": audit_texts(self.texts.texts, sets),
        }

    def check_texts(self, there: Mapping[str, Any] | None, what: str) -> None:
        """Check that a model was trained with the class vectors that are used here.

        Args:
            there: as `record_texts` writes it; None for word vectors.
            what: was trained with them, for the message.

        Raises:
            UserError: it was not.
        """
        here = None if self.texts is None else self.texts.describe()
        if other := differing(there, here):
            was, now = ((own or {"kind": "words"})["kind"] for own in (there, here))
            raise UserError(
                f"{what} was trained with class_vectors={was}, tested here with "
                f"class_vectors={now}; {', '.join(other)} differs; give the same class_vectors "
                "options as in training"
            )

    def audit_lineage(self, lineage: dict[str, Any]) -> dict[str, Any]:
        """Add to pretrained weights the `leaks` and `survivors` among their training classes.

        Eq. 3 holds for them too. Both are None where the classes are unknown.
        """
        before = lineage.get("pretrain")
        trained = None
        if names := lineage.get("classes"):
            trained = self.vectors.of(names, lineage["dataset"], lineage["table"])
        audit = record_targets(trained, self.tested, self.test_only)
        if names == []:  # class names had no part in its training
            audit |= NOTHING
        return lineage | {
            "leaks": audit["leaks"],
            "survivors": audit["survivors"],
            "pretrain": self.audit_lineage(before) if before else None,
        }


def common_videos(source: VideoDataModule, target: VideoDataModule) -> int:
    """Count videos that are in both, by id in a published set, else by file and window."""
    if source.table != target.table:
        return 0

    def identities(videos: VideoDataModule) -> Iterator[Any]:
        """Say what tells videos from others."""
        if videos.table:
            return videos.chosen.ids
        return ((os.path.realpath(v.path), v.window) for v in videos.chosen)

    return len(set(identities(target)).intersection(identities(source)))


class ZeroShotDataModule(TargetsDataModule):
    """One source to train on and its targets, kept apart by a protocol (Sec. 3.3)."""

    def __init__(
        self,
        source: VideoDataModule,
        targets: dict[str, VideoDataModule],
        protocol: Protocol,
        vectors: WordVectors,
        subset: Draw = everything,
        hold_out_share: float = 0,
        chosen_by: Mapping[str, VideoDataModule] | None = None,
        texts: TextVectors | None = None,
    ) -> None:
        """Decide which classes of the source may be trained on, and draw a subset of the rest.

        Args:
            source: to train on.
            targets: to test on.
            protocol: that keeps them apart.
            vectors: of the words; they alone decide what is trained on.
            subset: draws from the classes and videos that may be trained on.
            hold_out_share: of these classes, to validate on; they are not trained on.
            chosen_by: test sets that choose the checkpoint (authors' code), by name.
            texts: see `TargetsDataModule`.

        Raises:
            UserError: a class to train on or to tell apart has words without a vector, or the
                protocol leaves nothing to train on.
        """
        super().__init__(targets, vectors, protocol, texts)
        self.source, self.batches_done, self.hold_out_share = source, 0, hold_out_share
        listed = class_names(source.table) if source.table else source.classes
        candidates = vectors.of(listed, source.name, source.table)
        protocol.check_listed(candidates)
        decisions, kept_out, deciding = decide(protocol, candidates, self.tested, vectors)
        present = set(source.classes)
        trained = [d.name for d in decisions if d.kept and d.name in present]
        if not trained:
            raise UserError(
                f"protocol={protocol.name} leaves none of the {len(present)} classes under "
                f"{source.root} to train on; choose other videos or another protocol"
            )
        bank = vectors.pick(candidates, trained)
        self.validation = {n: t for n, t in (chosen_by or {}).items() if n in self.targets}
        if hold_out_share:
            names = hold_out(bank, hold_out_share, protocol.tau, source.seed)
            held_out = copy.copy(source)
            held_out.use(self.from_texts(bank.of(names)))
            bank = bank.of(name for name in bank.names if name not in names)
            held_out.features = {}
            self.validation = {source.name: held_out}
        selection = subset(source.videos, bank)
        labels = set(selection.videos.classes)
        learned = bank.of(name for name in bank.names if name in labels)
        aims = vectors.targets(candidates, learned.names)
        source.use(self.from_texts(aims), selection.videos)
        left = len(source.videos.within(bank))
        self.protocol = record(protocol, candidates, kept_out, decisions) | {
            "vectors": vectors.describe(),
            "deciding_vectors": deciding.describe(),
            **({} if texts is None else {"class_vectors": texts.describe()}),
            "trained_classes": list(learned.names),
            "validation": {n: list(v.bank.names) for n, v in self.validation.items()} or None,
            "subset": record_subset(selection, left, learned),
            "videos_tested_too": {
                name: common_videos(source, target) for name, target in targets.items()
            },
        }
        self.protocol = self.record(self.protocol)

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Load the source, from where the run that is continued had stopped."""
        return self.source.train_dataloader(*self.process, self.batches_done)

    def val_dataloader(self) -> list[DataLoader[dict[str, Any]]]:
        """Load one clip a video of the sets that choose the checkpoint."""
        return [videos.validation_dataloader(*self.process) for videos in self.validation.values()]

    def state_dict(self) -> dict[str, Any]:
        """Keep in checkpoints how far training has come."""
        progress: Any = self.trainer.fit_loop.epoch_loop.batch_progress  # type: ignore[union-attr]
        return {"batches": progress.total.processed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Begin there."""
        self.batches_done = state_dict["batches"]
