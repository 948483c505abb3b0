"""Audit a zero-shot claim: `python -m src.audit protocol=605` needs names only, no videos.

Any source, pre-training and targets; `videos=true` compares the files too.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from zsvideo.cli import run_command

if TYPE_CHECKING:
    from zsvideo.data.datasets.base import VideoSet


def audit(config: DictConfig) -> None:
    """Write audit.json, .csv, .html and figures to the run folder, and print the findings."""
    from zsvideo.data.datasets import video_set
    from zsvideo.data.fingerprints import compare_videos
    from zsvideo.data.frames import map_frames
    from zsvideo.errors import UserError
    from zsvideo.experiment.vectors import settle_names
    from zsvideo.reporting.audit.report import show_audit
    from zsvideo.semantics.audit import audit as audit_names
    from zsvideo.semantics.protocol import Protocol

    if not config.get("target"):
        raise UserError("target is empty; name data sets to test on, such as target=[ucf101]")
    protocol = Protocol(**config.protocol)
    settle_names(config)
    vectors = instantiate(config.semantics).deciding(protocol.vectors)
    sets: Any = OmegaConf.to_container(config, resolve=True)
    source, before = video_set(sets["source"], "source"), pretrained_on(sets["pretrain"])
    training = {
        role: vectors.of(known.class_list(), known.name, known.table)
        for role, known in {"source": source, "pretrain": before}.items()
        if known
    }
    targets = {name: video_set(own, f"target.{name}") for name, own in sets["target"].items()}
    listed = {name: (own.table or name, own.class_list()) for name, own in targets.items()}
    tested = {
        name: vectors.of(names, name, targets[name].table)
        for name, names in protocol.testable(listed).items()
    }
    found = audit_names(protocol, training, tested, vectors)
    if config.videos:
        found["videos"] = compare_videos(
            {source.option: str(source.folder)},
            {own.option: str(own.folder) for own in targets.values()},
            Path(config.paths.cache),
        )
    folder = Path(HydraConfig.get().runtime.output_dir)
    found["frames"] = map_frames(found["map"], targets, folder)
    show_audit(found, folder)


def pretrained_on(values: dict[str, Any]) -> "VideoSet | None":
    """Give the set whose classes the pretrained weights were trained on; None where there are none.

    Args:
        values: of the group `pretrain`.
    """
    from zsvideo.data.datasets import video_set
    from zsvideo.data.datasets.base import VideoSet

    if values["source"]:
        return video_set(values["source"], "pretrain.source")
    if values["table"] or "root" in values:
        root = str(values.get("root"))
        return VideoSet(root=root, table=values["table"], option="pretrain.root")
    return None


def main() -> None:
    """Run the command line."""
    run_command(audit, "audit")
