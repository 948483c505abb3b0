"""The sweep of `python -m src.train -m ...`: Hydra's own, that continues and knows its jobs.

Finished jobs are skipped, a job that fails does not stop the others, and `--dry-run` tells what
is missing and what it would cost. Any Hydra launcher runs the jobs.
"""

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from omegaconf import OmegaConf

from zsvideo.cli import FAILED
from zsvideo.errors import UserError
from zsvideo.experiment.composed import Claim
from zsvideo.experiment.jobs import Job, axis_value, job_hash, write_study
from zsvideo.overrides import readable

log = logging.getLogger(__name__)
LISTED = 5


class JobSweeper(BasicSweeper):
    """Hydra's basic sweeper, over `hydra.sweeper.params`, `study.rows` and what is typed."""

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Run the jobs that are not finished.

        Args:
            arguments: options as typed, those that sweep among them.

        Raises:
            UserError: some jobs are still not finished, or an option does not exist.
        """
        assert self.config is not None and self.launcher is not None
        top = Path(self.config.hydra.sweep.dir)
        jobs = self.jobs(arguments)
        rest = [job for job in jobs if not job.finished]
        log.info("%d jobs, %d of them finished before", len(jobs), len(jobs) - len(rest))
        if self.config.dry_run:
            from zsvideo.experiment.composed import typed_value
            from zsvideo.experiment.cost import plan
            from zsvideo.experiment.vectors import planned

            print(plan(jobs, typed_value(self.config, "rate")))
            print("\n".join(planned(job.config for job in rest)))
            return []
        if rest:
            check_data(rest)
        study: Any = OmegaConf.to_container(self.config.study, resolve=True) or {}
        write_study(top / str(study.get("name") or "") / "jobs.json", study, jobs)
        OmegaConf.save(self.config, top / str(study.get("name") or "") / "multirun.yaml")
        returns: list[Sequence[JobReturn]] = []
        count = 0
        for part in batches(rest, self.max_batch_size):
            try:
                options = [job.options for job in part]
                returns.append(self.launcher.launch(options, initial_job_idx=count))
            except Exception:  # a launcher may raise where one of its jobs did
                log.exception("the launcher stopped; unfinished jobs are named below")
            count += len(part)
        self.tell(jobs)
        return returns

    def jobs(self, arguments: Sequence[str]) -> list[Job]:
        """Compose every job once, in the order of the sweep; equal ones are one."""
        before = HydraConfig.instance().cfg
        try:
            jobs = [self.compose(options) for options in self.options(arguments)]
        finally:
            HydraConfig.instance().cfg = before
        return list({job.sha256: job for job in reversed(jobs)}.values())[::-1]

    def options(self, arguments: Sequence[str]) -> list[list[str]]:
        """List the options of every job: all combinations of rows, parameters and typed sweeps."""
        assert self.config is not None and self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        typed = parser.parse_overrides(list(arguments))
        keys = {override.key_or_group for override in typed}
        params = [f"{key}={plain(value)}" for key, value in self.params.items() if key not in keys]
        given = parser.parse_overrides(readable(params, sweep=True)) + typed
        swept = self.split_arguments(given, None)[0]
        axes = [*(self.config.study.get("axes") or [])]
        axes += [o.key_or_group for o in typed if o.is_sweep_override()]
        self.axes = list(dict.fromkeys(axes))
        rows = [
            [
                [f"{key}={plain(value)}" for key, value in row.items() if key not in keys]
                for row in dimension
            ]
            for dimension in self.config.study.get("rows") or []
        ]
        return [
            [*readable(itertools.chain(*parts)), *options]
            for *parts, options in itertools.product(*rows, swept)
        ]

    def compose(self, options: list[str]) -> Job:
        """Compose one job as Hydra will when it runs, with its word vectors at hand."""
        from zsvideo.experiment.vectors import fetch_early

        assert self.config is not None and self.hydra_context is not None
        loader = self.hydra_context.config_loader
        config = loader.load_sweep_config(self.config, options)
        HydraConfig.instance().set_config(config)
        if not self.config.dry_run:
            fetch_early(config)
        folder = Path(config.hydra.sweep.dir) / config.hydra.sweep.subdir
        axes = {axis: axis_value(config, axis) for axis in self.axes}
        return Job(folder, job_hash(config), axes, options, config)

    def tell(self, jobs: Sequence[Job]) -> None:
        """Raise UserError that names the jobs which are not finished, if there are any."""
        rest = [job for job in jobs if not job.finished]
        log.info("%d of %d jobs finished", len(jobs) - len(rest), len(jobs))
        if not rest:
            return
        shown = "; ".join(f"{job.folder} ({why(job.folder)})" for job in rest[:LISTED])
        raise UserError(
            f"{len(rest)} of {len(jobs)} jobs did not finish: {shown}"
            f"{' ...' if len(rest) > LISTED else ''}; the same command runs these again"
        )


def check_data(jobs: Sequence[Job]) -> None:
    """Raise UserError where none of the jobs has its data: in one line, before any is begun."""
    missing: list[UserError] = []
    for job in jobs:
        sets = (job.config.source, *(job.config.get("target") or {}).values())
        if any(OmegaConf.is_missing(own, "root") for own in sets):  # the job itself says so
            return
        try:
            return Claim.of(job.config).check_data("source", "target")
        except UserError as error:
            missing.append(error)
    raise missing[0]


def batches(jobs: Sequence[Job], size: int | None) -> list[list[Job]]:
    """Put jobs in batches that are launched one after the other.

    Jobs that need the same pretrained weights would wait for each other; so all but the first of
    them come in a later batch, and find them made.

    Args:
        jobs: in their order.
        size: of a batch at most; None for any.
    """
    made: set[str | None] = set()
    waves: tuple[list[Job], list[Job]] = ([], [])
    for job in jobs:
        late = job.pretraining is not None and job.pretraining in made
        made.add(job.pretraining)
        waves[late].append(job)
    step = size or len(jobs) or 1
    return [wave[i : i + step] for wave in waves for i in range(0, len(wave), step)]


def why(folder: Path) -> str:
    """Give the first line of what a job left as its error."""
    file = folder / FAILED
    return file.read_text(encoding="utf-8").split("\n", 1)[0] if file.is_file() else "no result"


def plain(value: Any) -> str:
    """Write a value of YAML as an option's value is typed."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
