"""Answers as HTML: one page that opens offline, and the cards of the page in the browser."""

import zlib
from collections.abc import Iterator, Mapping
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

from zsvideo.names import encoded
from zsvideo.prediction.results import SHEET

STYLE = (Path(__file__).parent / "answers.css").read_text(encoding="utf-8")
MOST = 500  # videos of a page; browsers are slow with more
NONE = "None of these"


def write_html(file: Path, header: Mapping[str, Any], entries: Iterator[dict[str, Any]]) -> None:
    """Write one page of all videos, with nothing to load from elsewhere.

    Args:
        file: where to.
        header: what JSON has before its videos.
        entries: the videos, with their pictures.
    """
    part = file.with_name(file.name + ".tmp")
    count = header["counts"]["videos"]
    with part.open("w", encoding="utf-8", errors="replace") as out:
        out.write(
            '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{count} videos answered</title><style>{STYLE}</style>\n"
            f"<main><h1>{count} videos answered</h1>\n{introduction(header)}\n"
        )
        for entry in islice(entries, MOST):
            out.write(video_html(entry) + "\n")
        if count > MOST:
            out.write(f"<p>The first {MOST} of {count} videos; CSV and JSON have all of them.</p>")
        out.write("</main></html>\n")
    part.replace(file)


def introduction(header: Mapping[str, Any]) -> str:
    """Say which model answered, what is asked, and what is to know of it."""
    model, failed = header["model"], header["counts"]["failed"]
    lines = [model_line(model), f"Names: {', '.join(c['name'] for c in header['classes'])}."]
    if failed:
        lines.append(f"Not read: {failed} of the files; they are listed with the reason.")
    facts = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return facts + warnings_html(header["warnings"])


def model_line(model: Mapping[str, Any]) -> str:
    """Say what a model was trained on, and what its threshold is worth."""
    known = "classes that are not known"
    if model["trained_classes"]:
        known = f"{model['trained_classes']} classes of {model['trained_on']}"
    text = f"Model {Path(model['place']).name}, trained on {known}."
    if not (none := model["none_of_these"]):
        return text + " It has no threshold: it never says that none of the names fits."
    return (
        f"{text} It says none of these below cosine {none['threshold']:.2f}: measured on other "
        f"classes, that turns away {none['turned_away']:.0%} of videos whose class is listed and "
        f"lets {none['let_through']:.0%} of the others through."
    )


def warnings_html(lines: list[str]) -> str:
    """List what the user should know."""
    if not lines:
        return ""
    return f'<ul class="notes">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>'


def video_html(entry: Mapping[str, Any]) -> str:
    """Show a video: its answer, the names with their scores, contact sheet and time line."""
    path = Path(entry["path"])
    head = f'<h2 title="{escape(entry["path"])}">{escape(path.name)}</h2>'
    if entry["reason"]:
        why = f'<p class="failed">Could not be read: {escape(entry["reason"])}</p>'
        return f"<article>{head}{why}</article>"
    best = entry["top"][0]
    answer = NONE if entry["none_of_these"] else best["name"]
    kind = "none" if entry["none_of_these"] else "answer"
    chance = (
        ""
        if best["probability"] is None or entry["none_of_these"]
        else (f" <span>{best['probability']:.0%} sure, if one of the names is right</span>")
    )
    names = "".join(name_row(one) for one in entry["top"])
    pictures = "".join(
        f'<img src="data:image/jpeg;base64,{data}" alt="frame {number} of {len(entry[SHEET])}">'
        for number, data in enumerate(entry.get(SHEET, []), 1)
    )
    return (
        f'<article>{head}<p class="{kind}">{escape(answer)}{chance}</p>'
        f'<div class="sheet">{pictures}</div>{time_line(entry["spans"])}'
        f'<ol class="names">{names}</ol></article>'
    )


def name_row(one: Mapping[str, Any]) -> str:
    """Show a name with its score, and the classes trained on that are nearest to it."""
    near = "; ".join(f"{n['name']} ({n['distance']:.2f})" for n in one["nearest"])
    remarks = [f"nearest classes trained on: {near}"] if near else []
    warned = "".join(f'<em class="leak">{escape(note)}</em>' for note in one["notes"])
    chance = "" if one["probability"] is None else f"{one['probability']:.0%}"
    width = 100 * max(one["score"], 0)
    return (
        f'<li><b>{escape(one["name"])}</b> <span class="bar"><i style="width:{width:.0f}%"></i>'
        f'</span> <span class="number">cosine {one["score"]:.3f}</span> '
        f'<span class="number">{chance}</span><small>{escape("; ".join(remarks))}</small>'
        f"{warned}</li>"
    )


def time_line(spans: list[Mapping[str, Any]]) -> str:
    """Show when each answer holds, as a bar and as a list."""
    if not spans:
        return ""
    length = max(spans[-1]["end"], 1e-6)
    bars, items = [], []
    for span in spans:
        name = NONE if span["none_of_these"] else span["top"][0]["name"]
        when = f"{span['start']:.1f} to {span['end']:.1f} s"
        width = 100 * (span["end"] - span["start"]) / length
        bars.append(
            f'<i style="width:{width:.2f}%;background:{colour(name)}" '
            f'title="{escape(name)}, {when}"></i>'
        )
        items.append(
            f'<li><i style="background:{colour(name)}"></i>{when} <b>{escape(name)}</b> '
            f'<span class="number">cosine {span["top"][0]["score"]:.3f}</span></li>'
        )
    return f'<div class="line">{"".join(bars)}</div><ol class="spans">{"".join(items)}</ol>'


def colour(name: str) -> str:
    """Give a name its colour; none of these is grey."""
    if name == NONE:
        return "#999"
    return f"hsl({zlib.crc32(encoded(name)) % 360} 60% 50%)"
