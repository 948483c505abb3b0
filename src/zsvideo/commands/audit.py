"""Audit a zero-shot claim: `python -m src.audit protocol=605` needs names only, no videos.

Any source, pre-training and targets; `videos=true` compares the files too.
"""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from zsvideo.cli import run_command


def audit(config: DictConfig) -> None:
    """Write audit.json, .csv, .html and figures to the run folder, and print the findings."""
    from zsvideo.data.fingerprints import compare_videos
    from zsvideo.data.listing import listed_classes, videos_root
    from zsvideo.errors import UserError
    from zsvideo.reporting.audit.report import show_audit
    from zsvideo.semantics.audit import audit as audit_names
    from zsvideo.semantics.protocol import Protocol

    if not config.get("target"):
        raise UserError("target is empty; name data sets to test on, such as target=[ucf101]")
    protocol, vectors = Protocol(**config.protocol), instantiate(config.semantics)
    training = {}
    before = config.pretrain.source or config.pretrain
    for role, sets in {"source": config.source, "pretrain": before}.items():
        if sets.get("table") or "root" in sets:
            dataset, names = listed_classes(sets, f"{role}.root")
            training[role] = vectors.of(names, dataset, sets.get("table"))
    tested = {}
    for name, sets in config.target.items():
        _, names = listed_classes(sets, f"target.{name}.root")
        names = protocol.tested(sets.get("table"), names)
        tested[name] = vectors.of(names, name, sets.get("table"))
    found = audit_names(protocol, training, tested, vectors)
    if config.videos:
        found["videos"] = compare_videos(
            {"source.root": videos_root(config.source)},
            {f"target.{name}.root": videos_root(sets) for name, sets in config.target.items()},
            Path(config.paths.cache),
        )
    show_audit(found, Path(HydraConfig.get().runtime.output_dir))


def main() -> None:
    """Run the command line."""
    run_command(audit, "audit")
