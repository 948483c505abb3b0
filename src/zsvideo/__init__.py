"""Zero-shot video classification, trained end to end (Brattoli et al., CVPR 2020)."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from zsvideo.reporting.run import Run

__all__ = ["compose", "train"]


def compose(*options: str, run: str | Path) -> "DictConfig":
    """Compose the config of an experiment from options as they are typed behind `zsvideo train`.

    Args:
        options: such as `protocol=605` or `trainer.max_epochs=3`.
        run: folder of the run.

    Raises:
        UserError: an option does not exist, or has a value that is not allowed.
    """
    from zsvideo.cli import composed

    return composed(options, Path(run))


def train(config: "DictConfig", run: str | Path) -> "Run":
    """Train a model and score it; gives the finished run, read from its folder.

    Args:
        config: of `compose`.
        run: folder of the run.

    Raises:
        UserError: data, vectors or an option are not as they have to be; the text says what to do.
    """
    from zsvideo.experiment import training

    folder = Path(run)
    folder.mkdir(parents=True, exist_ok=True)
    return training.train(config, folder)
