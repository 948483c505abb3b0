"""Score zero-shot: `python -m src.evaluate ckpt=RUN`, or `predictions=RUN` without a network.

A checkpoint is tested with the options of its run; what is given on the command line comes on top.
Saved predictions need neither videos nor network.
"""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from src.door import open_door, stored_options
from src.errors import UserError


def run_options(arguments: list[str]) -> list[str]:
    """List the options that the run of `ckpt=` was started with."""
    given = [a.removeprefix("ckpt=") for a in arguments if a.startswith("ckpt=")]
    return (stored_options(checkpoint_and_run(given[-1])[1], "ckpt") or []) if given else []


def checkpoint_and_run(given: str) -> tuple[Path, Path]:
    """Give the checkpoint file and its run folder; `given` may be either.

    Raises:
        UserError: there is no such checkpoint.
    """
    file = Path(given).expanduser()
    if file.is_dir():
        best, last = (file / "checkpoints" / f"{name}.ckpt" for name in ("best", "last"))
        file = best if best.is_file() else last
    if not file.is_file():
        raise UserError(f"no checkpoint at {file} (ckpt); give a .ckpt file or a run folder")
    return file, file.parent.parent


def evaluate(config: DictConfig) -> None:
    """Score saved predictions, or embed the targets with a trained model first."""
    if (config.ckpt is None) == (config.predictions is None):
        raise UserError("give either ckpt=RUN (embed and score) or predictions=RUN (only score)")
    if config.predictions is not None:
        from src.experiment.rescoring import rescore

        return rescore(config, Path(HydraConfig.get().runtime.output_dir))
    from src.experiment.build import build_targets, load_model, read_protocol
    from src.experiment.testing import selection_of, test
    from src.experiment.trainer import folder, lightning_trainer

    run = folder()
    checkpoint, trained = checkpoint_and_run(config.ckpt)
    data = build_targets(config)
    model = load_model(config, checkpoint, data)
    protocol, how = data.record(read_protocol(trained)), selection_of(trained, checkpoint)
    with lightning_trainer(config, run) as (trainer, unreadable):
        test(config, trainer, unreadable, model, data, protocol, checkpoint, how)


if __name__ == "__main__":
    open_door(evaluate, "evaluate", run_options)
