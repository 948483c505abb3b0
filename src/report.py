"""Show a finished run or study again: `python -m src.report run=RUN` or `experiments=table3`.

Only run folders are read: a run's table and figures; or a table or figure of the paper, from the
cells that its sweep left.
"""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from src.door import open_door


def report(config: DictConfig) -> None:
    """Draw the run, or the artefact, that the config names."""
    from src.errors import UserError
    from src.reporting.show import show
    from src.reporting.study_report import report as report_study
    from src.reporting.wandb_workspace import save_workspace

    if config.run:
        show(Path(config.run).expanduser())
    elif config.study.name:
        report_study(config.study.name, Path(HydraConfig.get().sweep.dir))
        if config.wandb:
            print("workspace: " + save_workspace(config.wandb, list(config.target)))
    else:
        raise UserError("nothing to report; give run=RUN or experiments=table3")


if __name__ == "__main__":
    open_door(report, "report")
