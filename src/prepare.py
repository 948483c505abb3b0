"""Check and prepare a data set: `python -m src.prepare dataset=ucf101 root=FOLDER out=FOLDER`.

Every file is decoded; `manifest.csv` says what can be used; a prepared form makes training fast.
It can be stopped at any time and goes on when started again.
"""

import os
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from src.door import CONF, open_door


def prepare(config: DictConfig) -> None:
    """Write the manifest, the prepared videos and a count of each class under `out`."""
    from hydra.utils import instantiate

    from src.data import downloads, inventory, preparation
    from src.data.datamodule import VideoDataModule
    from src.data.decoding.forms import FormSpec
    from src.data.manifest import write_table
    from src.errors import UserError
    from src.reporting.prepared import show_downloads, show_plan, show_prepared

    known = sorted(f.stem for f in (CONF / "source").glob("*.yaml") if f.stem != "synthetic")
    if config.dataset not in known:
        raise UserError(f"dataset={config.dataset} is unknown; allowed: {', '.join(known)}")
    if not isinstance(config.limit, int) or config.limit < 1:
        raise UserError(f"limit={config.limit} must be a whole number of seconds, at least 1")
    keys = ("form", "short_side", "quality", "crf", "key_frames")
    spec = FormSpec(*(config[key] for key in keys))
    if config.download:
        items = downloads.listed_items(config.dataset)
        show_downloads(items, str(config.root))
        if config.dry_run:
            return
        downloads.download(items, Path(str(config.root)).expanduser())
    source = OmegaConf.load(CONF / "source" / f"{config.dataset}.yaml")
    source.root = str(config.root)
    module: VideoDataModule = instantiate(source, clips=None, loader=None, seed=0, option="root")
    out = Path(str(config.out)).expanduser()
    if out.resolve() == Path(module.root).resolve():
        raise UserError(f"out={out} is the data set itself; choose another folder")
    needed = preparation.disk_needed(module.videos, spec)
    show_plan(module, out, spec.form, needed)
    if config.dry_run:
        return
    preparation.check_disk(out, needed)
    workers = config.workers or len(os.sched_getaffinity(0))
    rows = preparation.prepare(module.videos, out, spec, workers, config.limit)
    counts, missing = inventory.by_class(module, rows), inventory.missing_videos(module)
    write_table(out / "classes.csv", inventory.COLUMNS, counts)
    if missing is not None:
        write_table(out / "missing.csv", ("name", "class"), missing)
    bad = [row for row in rows if row["status"] != "ok"]
    write_table(out / "quarantine.csv", ("id", "path", "reason"), bad)
    show_prepared(module, rows, counts, out)


if __name__ == "__main__":
    open_door(prepare, "prepare")
