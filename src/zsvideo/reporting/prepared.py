"""What a preparation tells in the terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape

from zsvideo.data.datasets.base import Listing, VideoSet
from zsvideo.texts import SafeConsole
from zsvideo.usage import typed_option

LISTED = 10


def show_downloads(items: Sequence[Any], root: str) -> None:
    """Say what is fetched, and where to."""
    console = SafeConsole(highlight=False, soft_wrap=True)
    for item in items:
        size = f" ({item.size / 1e9:.1f} GB)" if item.size else ""
        console.print(escape(f"fetched into {root}/archives and unpacked: {item.url}{size}"))


def show_plan(videos: VideoSet, listing: Listing, out: Path, form: str, needed: int) -> None:
    """Say what was found and what it needs."""
    files = len(set(listing.videos.paths))
    classes = len(listing.videos.classes)
    published = f" of {listing.published:,} published" if listing.published else ""
    console = SafeConsole(highlight=False, soft_wrap=True)
    console.print(
        f"{videos.name}: {len(listing.videos):,} videos{published} in {files:,} files, "
        f"{classes} classes; form={form} needs about {needed / 1e9:.2f} GB in " + escape(str(out))
    )
    if listing.empty:
        console.print(f"class folders without a video: {escape(some(listing.empty))}")


def show_prepared(
    videos: VideoSet,
    listing: Listing,
    rows: Sequence[Mapping[str, Any]],
    counts: Sequence[Mapping[str, Any]],
    out: Path,
) -> None:
    """Say what can be used, what not and why, and what is missing."""
    console = SafeConsole(highlight=False, soft_wrap=True)
    usable = sum(row["status"] == "ok" for row in rows)
    console.print(f"{usable:,} of {len(rows):,} videos can be used")
    for reason, count in Counter(r["reason"] for r in rows if r["reason"]).most_common():
        console.print(f"  {count:,}: {escape(reason)}")
    console.print(escape(lacking(videos, listing, counts)))
    files = {out / row["prepared"] for row in rows if row.get("prepared")}
    if files:
        size = sum(file.stat().st_size for file in files)
        console.print(f"prepared: {size / 1e9:.3f} GB, {size / len(files) / 1e3:.0f} kB a file")
    others = [f for f in (out / "videos").rglob("*") if f.is_file() and f not in files]
    if others:
        size = sum(file.stat().st_size for file in others)
        console.print(
            f"{len(others):,} prepared files of other options or of videos that are gone "
            f"lie in {escape(str(out))}/videos too: {size / 1e9:.3f} GB"
        )
    console.print(
        escape(
            f"written: {out}/manifest.csv, classes.csv, quarantine.csv; use it as "
            f"{typed_option('source.root', out)}"
        )
    )


def lacking(videos: VideoSet, listing: Listing, counts: Sequence[Mapping[str, Any]]) -> str:
    """Say what is missing of each class, as far as it can be known."""
    absent = [c["class"] for c in counts if not c["found"]]
    classes = f"classes without any video: {some(absent)}" if absent else "every class has videos"
    if counts and counts[0]["expected"] != "":
        missing = [f"{c['class']} ({c['missing']})" for c in counts if c["missing"]]
        total, expected = (sum(c[key] for c in counts) for key in ("missing", "expected"))
        named = f", by class: {some(missing)}; named in missing.csv" if missing else ""
        return f"{total:,} of {expected:,} listed videos are missing{named}; {classes}"
    if not videos.table:
        return classes
    published = f"; {listing.published:,} videos were published" if listing.published else ""
    which = f"; to learn which are missing put {videos.lists} there" if videos.lists else ""
    return classes + published + which


def some(names: Sequence[str]) -> str:
    """Join names, the first of many."""
    return ", ".join(names[:LISTED]) + (f" ... ({len(names)})" if len(names) > LISTED else "")
