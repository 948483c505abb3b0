"""A loaded model: own videos and own class names to answers and embeddings.

Shapes: B videos, N clips a video, C channels, T frames, H W, F features, K names, D embedding.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zsvideo.data.clips import assemble, read_clips
from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.limits import apart, within
from zsvideo.data.options import ClipSpec
from zsvideo.data.videos import Video
from zsvideo.errors import UserError
from zsvideo.evaluation.ranking import cosine_scores, unit
from zsvideo.models.heads.base import Features
from zsvideo.models.network import EmbeddingNetwork
from zsvideo.prediction.answers import Answer, Span, VideoAnswer
from zsvideo.prediction.classes import OOV, Candidates, candidates
from zsvideo.prediction.loading import Facts, text_vectors_of_training, vectors_of_training
from zsvideo.prediction.spans import Windows, settled, stretches
from zsvideo.prediction.videos import Source, list_videos
from zsvideo.semantics.class_texts import Classes, read_classes
from zsvideo.semantics.class_vectors import ClassVectors
from zsvideo.semantics.text_vectors import TextVectors
from zsvideo.semantics.vectors import WordVectors
from zsvideo.semantics.words import words

TOP = 5  # names of an answer
CONTACTS = 6  # frames of a contact sheet
NOT_FINITE = "the network gives no finite numbers for it"
SHORTEST = 0.01  # seconds of a window or stride; there would be windows without end
LIMIT = 300.0  # seconds that the reading of a file may take
Sample = dict[str, np.ndarray]  # as `read_clips` gives it
Videos = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Embedded:
    """What a video gave before it is compared with names.

    Attributes:
        source: the video.
        embedding: (D,) float32; None where it cannot be read.
        reason: why it cannot be read, None if it can.
        frames: (T, H, W, 3) uint8, from first to last, as the network saw them.
        windows: embeddings of its windows, where they were asked for.
    """

    source: Source
    embedding: np.ndarray | None = None
    reason: str | None = None
    frames: np.ndarray | None = None
    windows: Windows | None = None


class Model:
    """A trained network with what is known of its training; made by `zsvideo.load`.

    It writes nothing but class vectors, to its cache.

    Attributes:
        facts: what it is, and what it was trained on.
        network: maps clips to embeddings.
    """

    def __init__(
        self,
        network: EmbeddingNetwork,
        facts: Facts,
        device: str,
        batch: int,
        workers: int,
        vectors: str | None,
        cache: Path,
    ) -> None:
        """Put the network on its device; see `zsvideo.load`.

        Raises:
            UserError: its head reads the order of clips.
        """
        if network.head is not None and network.head.needs == "sequence":
            raise UserError(
                f"{facts.place} has a head that reads the order of clips, which own videos are not "
                "cut for; take a model with another head"
            )
        self.network, self.facts = network.to(device).eval(), facts
        self.device, self.batch, self.workers = torch.device(device), batch, workers
        self.vectors_file, self.cache = vectors, cache

    def word_vectors(self, oov: str = "error") -> WordVectors:
        """Find the word vectors that it was trained with; raises UserError where they are not."""
        return vectors_of_training(self.facts, self.vectors_file, self.cache, oov)

    @cached_property
    def texts(self) -> tuple[TextVectors, list[str]] | None:
        """What makes its class vectors from texts, and remarks on that; None for word vectors."""
        own = self.network.encode_texts
        return text_vectors_of_training(self.facts, self.vectors_file, self.cache, own)

    @cached_property
    def trained(self) -> ClassVectors | None:
        """The classes it was trained on that have a vector; None if unknown."""
        if self.facts.trained is None:
            return None
        known = self.facts.trained
        if self.texts is not None:
            bags = tuple(words(name, known.table, "fixed") for name in known.names)
            matrix = self.texts[0].bank(known.names).vectors
            return ClassVectors(known.dataset, known.names, bags, matrix, {}, known.table)
        return self.word_vectors("drop").of(known.names, known.dataset, known.table)

    def candidates(self, classes: Classes | Candidates, oov: str = OOV[0]) -> Candidates:
        """Give class names their vectors, and say what is to know of them.

        Args:
            classes: names; or name to texts; or the path of a file of them (.txt, .csv, .json).
            oov: what becomes of a name that has words without a vector: `drop`, `fallback`,
                `error`; see `zsvideo.prediction.classes.candidates`.

        Raises:
            UserError: there is no name, or none that has a vector.
        """
        if isinstance(classes, Candidates):
            return classes
        if self.texts is not None:
            texts, remarks = self.texts
            asked = candidates(read_classes(classes), texts, self.trained, oov)
            return replace(asked, warnings=(*remarks, *asked.warnings))
        vectors = self.word_vectors("fallback" if oov == "fallback" else "drop")
        return candidates(read_classes(classes), vectors, self.trained, oov)

    def embed(self, video: str | os.PathLike[str]) -> np.ndarray:
        """Map one video to its embedding (D,) float32, for search or clustering.

        Raises:
            UserError: it cannot be read; the text says why. Or the model has no embeddings.
        """
        if self.network.pairwise:
            raise UserError(
                f"{self.facts.place} compares videos with texts alone: they have no embedding; "
                "take another encoder"
            )
        (embedded,) = self.embeddings([Source(os.fspath(video))])
        if embedded.embedding is None:
            raise UserError(f"{video} cannot be read: {embedded.reason}")
        return embedded.embedding

    def predict(
        self,
        videos: Videos,
        classes: Classes | Candidates,
        *,
        top: int = TOP,
        window: float | None = None,
        stride: float | None = None,
        oov: str = OOV[0],
    ) -> Iterator[VideoAnswer]:
        """Answer videos one after the other; one that cannot be read has a `reason`.

        Args:
            videos: files, folders (any depth), globs or manifests.
            classes: see `candidates`.
            top: how many names an answer has.
            window: seconds; then each answer also says when, in `spans`, and the answer of the
                whole video is that of all its stretches.
            stride: seconds between windows; None takes half a window.
            oov: see `candidates`.

        Raises:
            UserError: an argument cannot be used.
        """
        if top < 1:
            raise UserError(f"top={top} must be a whole number, at least 1")
        asked = self.candidates(classes, oov)
        sources = list_videos(videos).videos
        windows = check_windows(window, stride)
        return (self.answer(e, asked, top) for e in self.embeddings(sources, windows))

    def answer(self, embedded: Embedded, asked: Candidates, top: int = TOP) -> VideoAnswer:
        """Compare a video with names."""
        path = embedded.source.name
        if embedded.embedding is None:
            return VideoAnswer(path, reason=embedded.reason)
        answers, none = self.ranked(embedded.embedding, asked, top)
        spans: tuple[Span, ...] = ()
        if embedded.windows is not None:
            spans = tuple(self.spans(embedded.windows, asked, top))
        return VideoAnswer(
            path, answers, none, spans, embedding=embedded.embedding, frames=embedded.frames
        )

    @property
    def by_cosine(self) -> bool:
        """Whether names are scored by their cosine, so that the length of an embedding is free."""
        return self.network.head is None and not self.network.pairwise

    def spans(self, windows: Windows, asked: Candidates, top: int) -> Iterator[Span]:
        """Join the windows with one answer."""
        rows = windows.embeddings
        if self.by_cosine:
            rows = unit(rows)  # of their mean the best name is that of all of them
        best = [self.ranked(row, asked, 1) for row in rows]
        names = [None if nothing else answers[0].name for answers, nothing in best]
        labels = settled(names, windows.least)
        for start, end, own in windows.merged(labels):
            label = labels[own.start]
            members = [i for i in range(own.start, own.stop) if names[i] == label]
            answers, _ = self.ranked(rows[members].mean(axis=0), asked, top)
            yield Span(start, end, answers, None if best[0][1] is None else label is None)

    def ranked(
        self, embedding: np.ndarray, asked: Candidates, top: int
    ) -> tuple[tuple[Answer, ...], bool | None]:
        """Rank the names for an embedding (D,), ties in the order of the names (Eq. 1)."""
        names = asked.bank.names
        scores = self.scores(embedding, asked.bank.vectors)
        order = np.argsort(-scores.round(14), kind="stable")[:top]
        known = self.facts.none_of_these
        chances = known.probabilities(scores) if known else None
        answers = tuple(
            Answer(
                names[k],
                float(scores[k]),
                None if chances is None else float(chances[k]),
                asked.nearest.get(names[k], ()),
                asked.notes.get(names[k], ()),
            )
            for k in order
        )
        return answers, known.says(float(scores.max())) if known else None

    def scores(self, embedding: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Score names (K, D) for an embedding (D,): by cosine, or by the model's head; (K,)."""
        if self.by_cosine:
            cosines: np.ndarray = cosine_scores(embedding[None], vectors)[0]
            return cosines
        own = Features(torch.from_numpy(embedding)[None].float().to(self.device))
        asked = torch.from_numpy(vectors).float().to(self.device)
        with torch.inference_mode():
            scores: np.ndarray = self.network.scores(own, asked)[0].double().cpu().numpy()
        return scores

    def embeddings(
        self, sources: Sequence[Source], windows: tuple[float, float] | None = None
    ) -> Iterator[Embedded]:
        """Embed videos, in their order; the memory does not grow with their number or length.

        Args:
            sources: the videos.
            windows: length and stride of windows in seconds; None takes whole videos.
        """
        if windows is not None:
            yield from (self.streamed(source, *windows) for source in sources)
            return
        clips = self.read_ahead(sources)
        while group := list(islice(clips, self.batch)):
            yield from self.embedded_batch(group)

    def read_ahead(self, sources: Sequence[Source]) -> Iterator[tuple[Source, Tensor | str]]:
        """Read the clips of videos, some ahead of the network, in their order.

        Processes read them, since a decoder that hangs inside C can only be killed.
        """
        files = [(source, self.facts.clips) for source in sources]
        samples: Iterable[Sample | str | UnreadableVideoError]
        if self.workers == 0:
            samples = (read(*file) for file in files)
        elif len(files) == 1:
            samples = read_one(*files[0])
        else:
            samples = within(LIMIT, read_alone, files, self.workers, self.batch)
        for source, sample in zip(sources, samples, strict=True):
            if isinstance(sample, dict):
                yield source, assemble({k: torch.from_numpy(part) for k, part in sample.items()})
            else:
                yield source, str(sample)

    @torch.inference_mode()
    def embedded_batch(self, group: Sequence[tuple[Source, Tensor | str]]) -> Iterator[Embedded]:
        """Embed the videos of a batch, in the batches of the run's own test."""
        readable = [clips for _, clips in group if isinstance(clips, Tensor)]
        if readable:
            rows = iter(self.network(torch.stack(readable).to(self.device)).float().cpu().numpy())
        for source, clips in group:
            if isinstance(clips, str):
                yield Embedded(source, reason=clips)
            elif np.isfinite(row := next(rows)).all():
                yield Embedded(source, row, frames=contact_frames(clips))
            else:
                yield Embedded(source, reason=NOT_FINITE)

    @torch.inference_mode()
    def streamed(self, source: Source, window: float, stride: float) -> Embedded:
        """Embed the windows of a video: features once a stretch, each window a mean of them."""
        if source.reason is not None:
            return Embedded(source, reason=source.reason)
        features: list[Tensor] = []
        times: list[tuple[float, float]] = []
        pictures: list[np.ndarray] = []
        step = 1
        file = (source, self.facts.clips, window, stride)
        made = apart(LIMIT, stretches_alone, *file) if self.workers else stretches(*file)
        try:
            for pixels, spans in made:
                clips = torch.from_numpy(pixels)
                for number, clip in enumerate(clips, len(times)):
                    if number % step == 0:
                        pictures.append(middle_frames(clip, CONTACTS // 2))
                    if len(pictures) > CONTACTS:  # of a longer video, of every other stretch
                        pictures, step = pictures[::2], 2 * step
                features.append(self.network.features(clips[:, None].to(self.device)))
                times += spans
        except UnreadableVideoError as error:
            return Embedded(source, reason=str(error))
        rows = torch.cat(features)
        windows = Windows.over(np.array(times), window, stride)
        means = torch.stack([rows[torch.from_numpy(own)].mean(dim=0) for own in windows.members])
        embeddings = self.network.project(means).float().cpu().numpy()
        whole = self.network.project(rows.mean(dim=0, keepdim=True)).float().cpu().numpy()[0]
        if not np.isfinite(embeddings).all():
            return Embedded(source, reason=NOT_FINITE)
        sheet = np.concatenate(pictures)
        chosen = np.unique(np.linspace(0, len(sheet) - 1, CONTACTS).round().astype(int))
        return Embedded(source, whole, None, sheet[chosen], windows.with_rows(embeddings))


def read(source: Source, clips: ClipSpec) -> Sample | str:
    """Read the test clips of a video, or say why it cannot be read."""
    if source.reason is not None:
        return source.reason
    try:
        sample = read_clips(Video(source.path, source.path, "", source.window), clips)
    except UnreadableVideoError as error:
        return str(error)
    return {key: part.numpy() for key, part in sample.items()}


def read_alone(source: Source, clips: ClipSpec) -> Sample | str:
    """Read them in a process of its own, where threads of the process it was made of hang."""
    torch.set_num_threads(1)
    return read(source, clips)


def read_one(source: Source, clips: ClipSpec) -> Iterator[Sample | str | UnreadableVideoError]:
    """Read them as `within` does, without a pool of processes, which takes 0.1 s to begin."""
    try:
        yield from apart(LIMIT, reading, source, clips)
    except UnreadableVideoError as error:
        yield error


def reading(source: Source, clips: ClipSpec) -> Iterator[Sample | str]:
    """Read them as the only part of a file, see `apart`."""
    yield read_alone(source, clips)


def stretches_alone(
    source: Source, clips: ClipSpec, window: float, stride: float
) -> Iterator[tuple[np.ndarray, list[tuple[float, float]]]]:
    """Read the clips of stretches as `read_alone` does."""
    torch.set_num_threads(1)
    yield from stretches(source, clips, window, stride)


def middle_frames(clip: Tensor, count: int) -> np.ndarray:
    """Take evenly spaced frames (count, H, W, C) of a clip (C, T, H, W)."""
    places = (np.arange(count) + 0.5) * clip.shape[1] / count
    frames: np.ndarray = clip[:, places.astype(int)].permute(1, 2, 3, 0).numpy()
    return frames


def contact_frames(clips: Tensor) -> np.ndarray:
    """Take frames of some clips (N, C, T, H, W), from first to last: (at most 6, H, W, C)."""
    chosen = np.unique(np.linspace(0, len(clips) - 1, CONTACTS).round().astype(int))
    return np.concatenate([middle_frames(clips[i], max(CONTACTS // len(clips), 1)) for i in chosen])


def check_windows(window: float | None, stride: float | None) -> tuple[float, float] | None:
    """Check the seconds of windows; raises UserError."""
    if window is None:
        if stride is not None:
            raise UserError(f"stride={stride:g} needs a window; give --window SECONDS")
        return None
    step = window / 2 if stride is None else stride
    for name, value in (("window", window), ("stride", step)):
        if not SHORTEST <= value < float("inf"):
            raise UserError(f"{name}={value:g} must be seconds above 0, at least {SHORTEST}")
    if step > window:
        raise UserError(f"stride={step:g} must be at most window={window:g}, or stretches are lost")
    return window, step
