"""The command `predict`: a table as videos are answered, progress, and files of results."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import zsvideo
from zsvideo.errors import UserError
from zsvideo.models.encoders import check_library
from zsvideo.prediction.answers import SCHEMA, Answer, VideoAnswer, plain_answer
from zsvideo.prediction.classes import Candidates
from zsvideo.prediction.encoders import encoder_spec
from zsvideo.prediction.loading import Facts
from zsvideo.prediction.model import Model, check_windows
from zsvideo.prediction.results import Journal, write_answers, write_json
from zsvideo.prediction.videos import Source, list_videos
from zsvideo.semantics.class_texts import FILES, Classes
from zsvideo.texts import printable

FAILED = 3  # exit status where a video could not be read
WIDEST = 44  # letters of a path in the table
FEW = 10  # videos for which the table has all names of an answer; of more it has the best one
NONE = "none of these"
PAUSE = 0.2  # seconds between two looks at the progress on a terminal
RARE = 30.0  # and in a file


def run(arguments: argparse.Namespace) -> int:
    """Answer the videos; give the exit status.

    Raises:
        UserError: an argument cannot be used.
    """
    if not arguments.classes:
        raise UserError('no class names; give --classes "pour tea" "climb a ladder" or a file')
    if arguments.top < 1:
        raise UserError(f"--top {arguments.top} must be at least 1")
    windows = check_windows(arguments.window, arguments.stride)
    files = [Path(f) for f in (arguments.csv, arguments.json, arguments.html) if f]
    for file in files:
        if str(file) == "-":
            raise UserError("- is no file of results, which are written at the end; name one")
        if file.is_dir() or not file.parent.is_dir():
            raise UserError(f"{file} cannot be written: there is no such folder, or it is one")
    if arguments.encoder is not None:
        check_library(encoder_spec(arguments.encoder))
    listed = list_videos(arguments.videos, sys.stdin)
    model = open_model(arguments)
    asked = model.candidates(typed_classes(arguments.classes), arguments.oov)
    for line in (*about(model.facts), *warnings(asked, listed.duplicates)):
        print(line, file=sys.stderr)
    header = run_facts(model, asked, arguments)
    journal = Journal(files[0].with_name(files[0].name + ".part"), header) if files else None
    left = [s for s in listed.videos if journal is None or not journal.done(s)]
    if len(left) < len(listed.videos):
        done = len(listed.videos) - len(left)
        print(f"going on: {done} of {len(listed.videos)} videos are done", file=sys.stderr)
    table = Table(sys.stdout, listed.videos, asked)
    failed = 0
    progress = Progress(sys.stderr, len(left))
    for source, embedded in zip(left, model.embeddings(left, windows), strict=True):
        answer = model.answer(embedded, asked, arguments.top)
        failed += answer.reason is not None
        if journal is not None:
            journal.add(source, answer, pictures=arguments.html is not None)
        progress.clear()
        table.add(answer)
        progress.step(failed)
    progress.clear()
    if journal is not None:
        failed = write_results(arguments, journal, header, listed.videos)
        print(f"written: {', '.join(map(str, files))}", file=sys.stderr)
    print(f"{len(listed.videos)} videos, {failed} could not be read", file=sys.stderr)
    return FAILED if failed else 0


def open_model(arguments: argparse.Namespace) -> Model:
    """Load the model of a command line."""
    return zsvideo.load(
        arguments.model,
        encoder=arguments.encoder,
        weights=arguments.weights,
        prompts=arguments.prompts,
        device=arguments.device,
        batch=arguments.batch,
        workers=arguments.workers,
        vectors=arguments.vectors,
    )


def typed_classes(values: Sequence[str]) -> Classes:
    """Take one value that names a file of classes as that, everything else as names."""
    if len(values) == 1 and (Path(values[0]).is_file() or values[0].lower().endswith(FILES)):
        return values[0]
    return list(values)


def about(facts: Facts) -> Iterator[str]:
    """Say in lines what a model is."""
    known = "unknown classes"
    if facts.trained is not None:
        known = f"{len(facts.trained.names)} classes of {facts.trained.dataset}"
    yield f"model: {facts.place} ({facts.network['backbone']}), trained on {known}"
    if (none := facts.none_of_these) is None:
        yield f"note: this model has no threshold for '{NONE}' and no calibrated probability"
        return
    yield (
        f"'{NONE}' below cosine {none.threshold:.2f}: on other classes it turned away "
        f"{none.turned_away:.0%} of videos whose class was listed and let {none.let_through:.0%} "
        "of the others through"
    )


def warnings(asked: Candidates, duplicates: int) -> Iterator[str]:
    """Say what is to know of names and videos before they are answered."""
    yield from (f"warning: {line}" for line in asked.warnings)
    if asked.oov == "drop" and any("left out" in line for line in asked.warnings):
        yield "note: --oov fallback tries other spellings first"
    for name, notes in asked.notes.items():
        yield from (f"note: {name!r}: {note}" for note in notes if note.startswith("not zero"))
    if duplicates:
        yield f"note: {duplicates} videos are listed twice and answered once"


def run_facts(model: Model, asked: Candidates, arguments: argparse.Namespace) -> dict[str, Any]:
    """Describe what is computed, as JSON has it before the videos."""
    return {
        "schema": SCHEMA,
        "model": facts_of(model.facts),
        "classes": [
            {
                key: value
                for key, value in plain_answer(
                    Answer(name, 0, None, asked.nearest.get(name, ()), asked.notes.get(name, ()))
                ).items()
                if key in ("name", "nearest", "notes")
            }
            for name in asked.bank.names
        ],
        "warnings": list(asked.warnings),
        "options": {
            "top": arguments.top,
            "window": arguments.window,
            "stride": arguments.stride,
            "oov": asked.oov,
        },
    }


def facts_of(facts: Facts) -> dict[str, Any]:
    """Describe a model as JSON has it."""
    trained, none = facts.trained, facts.none_of_these
    return {
        "place": facts.place,
        "sha256": facts.sha256,
        "trained_on": trained and trained.dataset,
        "trained_classes": trained and len(trained.names),
        "none_of_these": none and none.plain(),
    }


def write_results(
    arguments: argparse.Namespace,
    journal: Journal,
    header: dict[str, Any],
    videos: Sequence[Source],
) -> int:
    """Write the files of results from the journal; give the number of videos that failed."""
    failed = sum(bool(entry["reason"]) for entry in journal.entries(videos))
    counts = {"videos": len(videos), "failed": failed}
    if arguments.csv:
        write_answers(Path(arguments.csv), journal.entries(videos))
    if arguments.json:
        write_json(Path(arguments.json), header | {"counts": counts}, journal.entries(videos))
    if arguments.html:
        from zsvideo.prediction.sheet import write_html

        write_html(Path(arguments.html), header | {"counts": counts}, journal.entries(videos))
    journal.close(done=True)
    return failed


class Table:
    """A table that is written row by row, so that it may have any number of rows."""

    def __init__(self, out: TextIO, videos: Sequence[Source], asked: Candidates) -> None:
        """Measure its columns, and write their heads."""
        self.out, self.rows = out, None if len(videos) <= FEW else 1
        self.widths = [
            min(max((len(printable(v.name)) for v in videos), default=5), WIDEST),
            min(max(len(NONE), *(len(name) for name in asked.bank.names)), WIDEST),
        ]
        self.row("video", "answer", "cosine", "chance", "nearest class trained on")

    def row(self, video: str, name: str, score: str, chance: str, rest: str) -> None:
        """Write a row."""
        video, name = (fit(t, w) for t, w in zip((video, name), self.widths, strict=True))
        line = f"{video}  {name}  {score:>6}  {chance:>6}  {rest}".rstrip()
        print(printable(line), file=self.out, flush=True)

    def add(self, answer: VideoAnswer) -> None:
        """Write the rows of a video: its names best first, then its spans."""
        if answer.reason is not None:
            self.row(answer.path, "-", "", "", answer.reason)
            return
        first = answer.path
        if answer.none_of_these:
            self.row(first, NONE, "", "", "and if it is one of the names:")
            first = ""
        for one in answer.top[: self.rows]:
            self.row(first, one.name, f"{one.score:.3f}", percent(one), nearest(one))
            first = ""
        for span in answer.spans:
            best = span.top[0]
            name = NONE if span.none_of_these else best.name
            when = f"  {span.start:.1f} - {span.end:.1f} s"
            self.row(when, name, f"{best.score:.3f}", percent(best), "")


def percent(answer: Answer) -> str:
    """Write a probability."""
    return "" if answer.probability is None else f"{answer.probability:.0%}"


def nearest(answer: Answer) -> str:
    """Write the nearest class trained on, and whether it is the same."""
    near = [f"{n.name} ({n.distance:.2f})" for n in answer.nearest[:1]]
    return "; ".join([*near, *answer.notes])


def fit(text: str, width: int) -> str:
    """Cut text at its beginning, and fill it up, to a width."""
    short = text if len(text) <= width else "..." + text[3 - width :]
    return f"{short:{width}}"


class Progress:
    """How far it is, with files a second and the time left: one line of a terminal, or few."""

    def __init__(self, out: TextIO, total: int) -> None:
        """Begin to measure."""
        self.out, self.total, self.done = out, total, 0
        self.live, self.written = out.isatty(), False
        self.started = self.last = time.monotonic()

    def step(self, failed: int) -> None:
        """Count a file; write a line, not too often."""
        self.done += 1
        now = time.monotonic()
        if self.total < 2 or now - self.last < (PAUSE if self.live else RARE):
            return
        self.last = now
        rate = self.done / (now - self.started)
        left = (self.total - self.done) / rate
        text = (
            f"{self.done} of {self.total} files, {rate:.1f} files/s, {duration(left)} left, "
            f"{failed} failed"
        )
        print(text, end="\r" if self.live else "\n", file=self.out, flush=True)
        self.written = self.live

    def clear(self) -> None:
        """Remove the line of a terminal."""
        if self.written:
            print("\x1b[2K", end="", file=self.out, flush=True)
            self.written = False


def duration(seconds: float) -> str:
    """Write a duration."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
