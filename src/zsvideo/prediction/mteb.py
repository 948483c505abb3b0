"""A trained model as mteb takes it, for its zero-shot tasks on videos without sound.

Frames come from the reader of this project, not from mteb's: from the bytes of each file.

Shapes: V videos, K texts, D embedding.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import zsvideo
from zsvideo.errors import UserError
from zsvideo.evaluation.ranking import cosine_scores
from zsvideo.prediction.classes import OOV
from zsvideo.prediction.videos import Source

TASKS = ("V", "VA", "VZeroShot", "VAZeroShot", "ZeroShot")  # of mteb on a version of Kinetics
GROUP = 64  # videos whose bytes are on disk at once


class MtebModel:
    """A model of `zsvideo.load` behind mteb's `EncoderProtocol`.

    Attributes:
        model: the trained network.
        template: how the task words its candidates; what stands at `{}` is the class name.
        oov: what becomes of words without a vector; here a name cannot be left out.
    """

    def __init__(
        self,
        model_name: str | Path,
        revision: str | None = None,
        *,
        device: str | None = None,
        template: str = "a video of {}",
        oov: str = "error",
        **options: Any,
    ) -> None:
        """Load a model.

        Args:
            model_name: what `zsvideo.load` takes: a run, a checkpoint, an exported folder.
            revision: has to be None; the weights are known by their hash.
            device: see `zsvideo.load`.
            template: see the class.
            oov: `error`, or `fallback`, which takes other spellings.
            options: more of `zsvideo.load`.

        Raises:
            UserError: it is no model, has no embeddings, or an option cannot be used.
        """
        if revision is not None or template.count("{}") != 1 or oov not in OOV[1:]:
            raise UserError(
                f"revision={revision}, template={template!r}, oov={oov}: give no revision, a "
                f"template with one {{}}, and {' or '.join(OOV[1:])}"
            )
        self.model = zsvideo.load(model_name, device=device or "auto", **options)
        if self.model.network.head is not None or self.model.network.pairwise:
            what = "texts that change by the video" if self.model.network.pairwise else "a head"
            raise UserError(f"{model_name} has {what}, which gives mteb no embeddings of videos")
        self.template, self.oov = template, oov

    @property
    def mteb_model_meta(self) -> Any:
        """Describe the model: its weights by their hash, what it was trained on by mteb's names."""
        from mteb.models import ModelMeta

        facts = self.model.facts
        known = facts.trained
        number = (known.table or "").removeprefix("kinetics") if known else ""
        return ModelMeta(
            loader=None,
            name=f"zsvideo/{Path(facts.place).stem}",
            revision=facts.sha256[:12],
            release_date=None,
            languages=["eng-Latn"],
            n_parameters=sum(weights.numel() for weights in self.model.network.parameters()),
            memory_usage_mb=None,
            max_tokens=None,
            embed_dim=self.model.network.embedding_dim,
            license=None,
            open_weights=None,
            public_training_code=None,
            public_training_data=None,
            framework=["PyTorch"],
            similarity_fn_name="cosine",
            use_instructions=False,
            training_datasets={f"Kinetics{number}{task}" for task in TASKS} if number else None,
            modalities=["video", "text"],
        )

    def encode(self, inputs: Any, **about: Any) -> np.ndarray:
        """Embed the videos or the candidates of a task.

        Args:
            inputs: DataLoader of mteb; its `dataset` has a column `video` or `text`.
            about: what mteb says of the task, which no number depends on.

        Returns:
            (V, D) float32, or (K, D) unit rows.

        Raises:
            UserError: the task has sound or pictures, a video cannot be read, or a word of a
                candidate has no vector.
        """
        dataset = inputs.dataset
        columns = {"video", "text", "audio", "image"}.intersection(dataset.features)
        if columns == {"video"}:
            return np.concatenate([*self.embed(dataset)])
        if columns != {"text"}:
            raise UserError(
                f"the model takes videos without sound, the task has {', '.join(sorted(columns))}; "
                "choose its form with videos alone"
            )
        names = self.names([str(text) for text in dataset["text"]])
        vectors = self.model.candidates(names, self.oov).bank.vectors
        if len(vectors) < len(names):
            raise UserError("a candidate of the task is there twice, or its vector is another's")
        return vectors

    def names(self, texts: Sequence[str]) -> list[str]:
        """Take the class names out of the task's candidates; raises UserError."""
        before, after = self.template.split("{}")
        for text in texts:
            if not (text.startswith(before) and text.endswith(after)):
                raise UserError(
                    f"the candidate {text!r} is not worded by template={self.template!r}"
                )
        return [text[len(before) : len(text) - len(after)] for text in texts]

    def embed(self, dataset: Any) -> Iterator[np.ndarray]:
        """Embed the videos of a data set, some at a time; raises UserError."""
        from datasets import Video

        raw = dataset.cast_column("video", Video(decode=False))
        for start in range(0, len(raw), GROUP):
            with TemporaryDirectory() as folder:
                rows = range(start, min(start + GROUP, len(raw)))
                sources = [stored(raw[row]["video"], Path(folder) / str(row)) for row in rows]
                embedded = [*self.model.embeddings(sources)]
            for row, own in zip(rows, embedded, strict=True):
                if own.embedding is None:
                    raise UserError(f"video {row} of the task cannot be read: {own.reason}")
            yield np.stack([own.embedding for own in embedded if own.embedding is not None])

    def similarity(self, embeddings1: Any, embeddings2: Any) -> np.ndarray:
        """Compute the cosine of all rows (V, D) with all rows (K, D): (V, K)."""
        return cosine_scores(np.asarray(embeddings1), np.asarray(embeddings2))

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> np.ndarray:
        """Compute the cosine of each row with the same row of the other: (V,)."""
        return np.diagonal(self.similarity(embeddings1, embeddings2))


def stored(video: dict[str, Any], file: Path) -> Source:
    """Give the file of a video as `datasets` holds it: a path, or bytes, which are written."""
    if (content := video["bytes"]) is None:
        return Source(video["path"])
    file.write_bytes(content)
    return Source(str(file))
