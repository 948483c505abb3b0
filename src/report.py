"""Show a finished run again, `run=RUN`, or runs side by side, `compare=[RUN,RUN]`."""

import sys
from pathlib import Path

from omegaconf import DictConfig

from src.door import open_door
from src.errors import UserError


def report(config: DictConfig) -> None:
    """Draw the run that the config names, or compare runs."""
    from src.evaluation.uncertainty import check_resamples
    from src.reporting.compare import compare
    from src.reporting.show import show

    if (config.run is None) == (config.compare is None):
        raise UserError("give either run=RUN or compare=[RUN,RUN]")
    if config.run is not None:
        show(Path(config.run).expanduser())
        return
    given = [config.compare] if isinstance(config.compare, str) else list(config.compare)
    out = Path(config.out).expanduser()
    compare(given, config.force, config.quoted, check_resamples(config.resamples), out)


if __name__ == "__main__":
    sys.argv[1:] = ["force=true" if a == "--force" else a for a in sys.argv[1:]]
    open_door(report, "report")
