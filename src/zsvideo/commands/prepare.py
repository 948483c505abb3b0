"""Check and prepare a data set: `python -m src.prepare dataset=ucf101 root=FOLDER out=FOLDER`.

Every file is decoded; `manifest.csv` says what can be used; a prepared form makes training fast.
It can be stopped at any time and goes on when started again.
"""

from pathlib import Path

import yaml
from omegaconf import DictConfig

from zsvideo.cli import run_command
from zsvideo.resources import CONF


def prepare(config: DictConfig) -> None:
    """Write the manifest, the prepared videos and a count of each class under `out`."""
    from joblib import cpu_count

    from zsvideo.data import downloads, inventory, preparation
    from zsvideo.data.datasets import video_set
    from zsvideo.data.datasets.base import VideoSet
    from zsvideo.data.decoding.forms import FormSpec
    from zsvideo.data.manifest import NAME, write_table
    from zsvideo.errors import UserError
    from zsvideo.reporting.prepared import show_downloads, show_plan, show_prepared

    known = sorted(f.stem for f in (CONF / "source").glob("*.yaml") if f.stem != "synthetic")
    if config.dataset not in known:
        raise UserError(f"dataset={config.dataset} is unknown; allowed: {', '.join(known)}")
    keys = ("form", "short_side", "quality", "crf", "key_frames")
    spec = FormSpec(*(config[key] for key in keys))

    def named(dataset: str) -> VideoSet:
        values = yaml.safe_load((CONF / "source" / f"{dataset}.yaml").read_text(encoding="utf-8"))
        return video_set(values | {"root": str(config.root)})

    videos = named(config.dataset)
    part = preparation.Part(config.shards, config.shard)
    if part.shard is not None and not (part.shards and part.shard < part.shards):
        raise UserError(f"shard={part.shard} is a number below shards=N, which says how many")
    download = config.download or config.download_only
    if download and part.shards:
        raise UserError("shards share what is there; fetch it before, by download_only=true alone")
    if download:
        if not (items := videos.archives):
            addressed = ", ".join(name for name in known if named(name).archives)
            raise UserError(
                f"download=true knows no address for dataset={config.dataset}; allowed: {addressed}"
            )
        show_downloads(items, str(config.root))
        if config.dry_run:
            return
        folder = Path(str(config.root)).expanduser()
        downloads.download(items, folder, growth=config.growth)
        if config.download_only:
            return
    listing = videos.scan()
    out, root = Path(str(config.out)).expanduser(), listing.root.resolve()
    if root in (out.resolve(), *out.resolve().parents, (out / NAME).resolve()):
        raise UserError(f"out={out} lies in the data set itself; choose another folder")
    joined = part.shards is not None and part.shard is None
    needed = 0 if joined else preparation.disk_needed(listing.videos, spec)
    if not joined:
        show_plan(videos, listing, out, spec.form, needed)
    if config.dry_run:
        return
    workers = config.workers or cpu_count()
    root = root if root.is_dir() else root.parent
    rows = preparation.prepare(
        listing.videos, root, out, spec, workers, config.limit, config.dataset, part, needed
    )
    if part.shard is not None:
        print(f"shard {part.shard} of {part.shards} is prepared; join all without shard")
        return
    counts = inventory.by_class(videos, listing, rows)
    missing = inventory.missing_videos(videos, listing)
    write_table(out / "classes.csv", inventory.COLUMNS, counts)
    if missing is not None:
        write_table(out / "missing.csv", ("name", "class"), missing)
    bad = [row for row in rows if row["status"] != "ok"]
    write_table(out / "quarantine.csv", ("id", "path", "reason"), bad)
    show_prepared(videos, listing, rows, counts, out)


def main() -> None:
    """Run the command line."""
    run_command(prepare, "prepare")
