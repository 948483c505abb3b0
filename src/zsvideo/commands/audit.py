"""Audit a zero-shot claim: `python -m src.audit protocol=605` needs names only, no videos.

Any source, pre-training and targets; `videos=true` compares the files too.
"""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from zsvideo.cli import run_command
from zsvideo.experiment.composed import Claim


def audit(config: DictConfig) -> None:
    """Write audit.json, .csv, .html and figures to the run folder, and print the findings."""
    from zsvideo.data.fingerprints import compare_videos
    from zsvideo.data.frames import map_frames
    from zsvideo.experiment.vectors import settle_names, word_vectors
    from zsvideo.reporting.audit.report import show_audit
    from zsvideo.semantics.audit import audit as audit_names
    from zsvideo.semantics.class_texts import ClassTexts
    from zsvideo.semantics.judgement import compare_judgement
    from zsvideo.semantics.text_audit import audit_texts

    claim = Claim.of(config)
    protocol, source, targets = claim.protocol, claim.source, claim.targets
    vectors = word_vectors(settle_names(claim)).deciding(protocol.vectors)
    training = {
        role: vectors.of(known.class_list(), known.name, known.table)
        for role, known in {"source": source, "pretrain": claim.pretrain.classes}.items()
        if known
    }
    listed = {name: (own.table or name, own.class_list()) for name, own in targets.items()}
    tested = {
        name: vectors.of(names, name, targets[name].table)
        for name, names in protocol.testable(listed).items()
    }
    findings = audit_names(protocol, training, tested, vectors)
    if config.judged is not None:
        findings["judged"] = compare_judgement(
            str(config.judged), training, [*tested.values()], findings["training"]
        )
    if claim.class_vectors.kind != "words":
        sets = [*training.values(), *tested.values()]
        findings["texts"] = audit_texts(ClassTexts.read(claim.class_vectors), sets)
    if config.videos:
        findings["videos"] = compare_videos(
            {source.option: str(source.folder)},
            {own.option: str(own.folder) for own in targets.values()},
            claim.cache,
        )
    folder = Path(HydraConfig.get().runtime.output_dir)
    findings["frames"] = map_frames(findings["map"], targets, folder)
    show_audit(findings, folder)


def main() -> None:
    """Run the command line."""
    run_command(audit, "audit")
