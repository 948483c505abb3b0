"""What a preparation tells in the terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

LISTED = 10


def show_plan(module: Any, out: Path, needed: int) -> None:
    """Say what was found and what it needs."""
    files = len({video.path for video in module.videos})
    published = f" of {module.published:,} published" if module.published else ""
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{module.name}: {len(module.videos):,} videos{published} in {files:,} files, "
        f"{len(module.classes)} classes; about {needed / 1e9:.2f} GB for packs in {out}"
    )
    if module.empty:
        console.print(f"class folders without a video: {escape(some(module.empty))}")


def show_prepared(
    rows: Sequence[Mapping[str, Any]], counts: Sequence[Mapping[str, Any]], out: Path
) -> None:
    """Say what can be used, what not and why, and what is missing."""
    console = Console(highlight=False, soft_wrap=True)
    usable = sum(row["status"] == "ok" for row in rows)
    console.print(f"{usable:,} of {len(rows):,} videos can be used")
    for reason, count in Counter(r["reason"] for r in rows if r["reason"]).most_common():
        console.print(f"  {count:,}: {escape(reason)}")
    lacking = [f"{c['class']} ({c['missing']})" for c in counts if c["missing"]]
    if lacking:
        console.print(f"missing, by class: {escape(some(lacking))}")
    packs = [out / row["pack"] for row in rows if row.get("pack")]
    size = sum(file.stat().st_size for file in set(packs))
    if packs:
        console.print(f"packs: {size / 1e9:.3f} GB, {size / max(len(set(packs)), 1) / 1e3:.0f} kB "
                      "a file")  # fmt: skip
    console.print(f"written: {out}/manifest.csv, classes.csv, quarantine.csv; use it as "
                  f"source.root={out}")  # fmt: skip


def some(names: Sequence[str]) -> str:
    """Join names, the first of many."""
    return ", ".join(names[:LISTED]) + (f" ... ({len(names)})" if len(names) > LISTED else "")
