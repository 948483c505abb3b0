"""Show a finished run again: `python -m src.report run=RUN` draws its table and figures."""

from pathlib import Path

from omegaconf import DictConfig

from src.door import open_door


def report(config: DictConfig) -> None:
    """Draw the run that the config names."""
    from src.reporting.show import show

    show(Path(config.run).expanduser())


if __name__ == "__main__":
    open_door(report, "report")
