"""Show a finished run, `run=RUN`, runs side by side, `compare=[RUN,RUN]`, or `experiments=table3`.

Only run folders are read: for a table or figure of the paper, the jobs that its sweep left.
"""

import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from zsvideo.cli import run_command
from zsvideo.errors import UserError


def report(config: DictConfig) -> None:
    """Draw the run or the artefact that the config names, or compare runs."""
    from zsvideo.reporting.compare import write_comparison
    from zsvideo.reporting.run import Run
    from zsvideo.reporting.show import show_run
    from zsvideo.reporting.studies.report import report as report_study
    from zsvideo.reporting.studies.wandb_report import save_report

    choices = [config.run, config.compare, config.study.name]
    if sum(one is not None for one in choices) != 1:
        raise UserError("give one of run=RUN, compare=[RUN,RUN] and experiments=table3")
    if config.run is not None:
        run = Run(Path(config.run).expanduser())
        check = run.check()
        if check.changed:
            raise UserError(
                f"{run.folder} (run) was changed after it was written: {'; '.join(check.changed)}"
            )
        show_run(run)
        if check.unchecked:
            print(f"not compared with the predictions: {'; '.join(check.unchecked)}")
    elif config.compare is not None:
        runs = [config.compare] if isinstance(config.compare, str) else list(config.compare)
        out = Path(config.out).expanduser()
        write_comparison(runs, config.force, config.quoted, config.resamples, out)
    else:
        report_study(config.study.name, Path(HydraConfig.get().sweep.dir))
        if config.wandb:
            print("W&B report: " + save_report(config.wandb, list(config.target)))


def main() -> None:
    """Run the command line."""
    sys.argv[1:] = ["force=true" if a == "--force" else a for a in sys.argv[1:]]
    run_command(report, "report")
