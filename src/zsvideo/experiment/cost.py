"""What a sweep would cost: clips, GPU-hours from a rate, disk.

Numbers of videos are those published, so a plan needs no data.
"""

from collections.abc import Sequence

from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.options import ClassCluster, SomeClasses, SomeVideos
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.jobs import Job, axis_value

PARAMETERS = {"r2plus1d": 31.5e6, "r3d": 33.3e6, "c3d": 62.6e6, "tiny": 0.1e6}
FEATURES = {"r2plus1d": 512, "r3d": 512, "mc3": 512, "c3d": 4096, "tiny": 64}
FORWARD = 1 / 3  # of the work of a training step
SCALARS = 3  # a checkpoint holds weights and the two moments of Adam
TESTED = 300 * 4  # bytes of an embedding


def published(videos: VideoSet) -> tuple[int, int]:
    """Give the classes and videos of a data set as published or generated; 0 if unknown."""
    count = videos.estimated_videos()
    return (len(videos.class_list()), count) if count else (0, 0)


def training_videos(experiment: Experiment) -> float:
    """Estimate the videos that a job trains on: what its protocol and its subset leave."""
    source, subset = experiment.source, experiment.subset
    classes, count = published(source)
    if not classes:
        return 0.0
    kept = (experiment.protocol.expected or {}).get(source.table or "") or classes
    videos: float = count * min(kept / classes, 1)
    if isinstance(subset, SomeClasses | ClassCluster) and subset.classes:
        videos *= min(subset.classes / kept, 1)
    if isinstance(subset, SomeVideos) and (samples := subset.samples):
        videos = min(videos, samples * videos if isinstance(samples, float) else samples)
    return videos


def training_clips(experiment: Experiment) -> float:
    """Count the clips of training; those that a frozen f_v only encodes by their share of work."""
    if experiment.head.fitted:
        return FORWARD * kept_clips(experiment)
    videos, method, loader = training_videos(experiment), experiment.method, experiment.loader
    clips = loader.epoch_samples if loader.equal_updates else min(loader.epoch_samples, videos)
    clips *= experiment.trainer.max_epochs
    if not method.frozen:
        return clips
    cached = method.cached_clips if not method.legacy_bn else None
    return FORWARD * (videos * cached if cached else clips)


def kept_clips(experiment: Experiment) -> float:
    """Count the clips of the source whose features a head is fitted on."""
    return training_videos(experiment) * (experiment.features.clips or experiment.clips.counts[-1])


def features_of(experiment: Experiment, job: Job) -> str:
    """Name the features that a head reads; jobs with the same ones share them."""
    encoder = (experiment.model.backbone, experiment.pretrain, job.pretraining)
    videos = (experiment.source, experiment.targets, experiment.subset, experiment.protocol)
    return repr((encoder, videos, experiment.features, experiment.clips))


def features_disk(experiment: Experiment) -> float:
    """Estimate the bytes of the features of the source and the targets."""
    clips = kept_clips(experiment) + tested_videos(experiment) * sum(experiment.clips.counts)
    size = experiment.features.pca or FEATURES.get(experiment.model.backbone, 0)
    return clips * size * (2 if experiment.features.dtype == "float16" else 4)


def tested_videos(experiment: Experiment) -> int:
    """Count the test videos."""
    return sum(published(target)[1] for target in experiment.targets.values())


def tested_clips(experiment: Experiment) -> float:
    """Count the clips of the test videos, as their share of work."""
    if experiment.method.classify:
        return 0.0
    return FORWARD * tested_videos(experiment) * sum(experiment.clips.counts)


def plan(jobs: Sequence[Job], rate: float) -> str:
    """List the jobs that are missing, with their GPU-hours and disk.

    Args:
        jobs: of the sweep.
        rate: training clips a second of one device.

    Raises:
        UserError: an option of a job has a value that is not allowed.
    """
    missing = [job for job in jobs if not job.finished]
    made = {job.pretraining for job in jobs if job.finished}
    lines, hours, disk = [], 0.0, 0.0
    firsts: dict[str, float] = {}
    kept: set[str] = set()
    for job in missing:
        experiment = Experiment.of(job.config)
        if job.first is not None and job.pretraining and job.pretraining not in made:
            firsts[job.pretraining] = training_clips(Experiment.of(job.first))
        own = (training_clips(experiment) + tested_clips(experiment)) / rate / 3600
        if experiment.head.fitted:  # its own fit takes no GPU
            features = features_of(experiment, job)
            own *= features not in kept
            disk += features_disk(experiment) * (features not in kept)
            kept.add(features)
        tested = tested_videos(experiment) * len(experiment.clips.counts)
        disk += TESTED * tested + SCALARS * 4 * PARAMETERS.get(experiment.model.backbone, 0)
        hours += own
        about = " ".join(f"{key}={value}" for key, value in job.axes.items())
        lines.append(f"  {own:8.2f} h  {job.folder.name}  {about}".rstrip())
    if firsts:
        shared = sum(firsts.values()) / rate / 3600
        lines.append(f"  {shared:8.2f} h  {len(firsts)} runs that make pretrained weights, shared")
        hours += shared
        disk += len(firsts) * SCALARS * 4 * PARAMETERS.get(missing[0].config.model.backbone, 0)
    lines.append(
        f"{len(missing)} of {len(jobs)} jobs missing; about {hours:,.1f} GPU-hours at "
        f"rate={rate:g} training clips/s (give the rate you measured), {disk / 1e9:,.1f} GB of disk"
    )
    if any(axis_value(c.config, "source") in ("folder", "csv") for c in missing):
        lines.append("videos of own folders are not counted")
    return "\n".join(lines)
