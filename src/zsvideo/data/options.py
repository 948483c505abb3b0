"""What a clip is, how clips are loaded, and which part of the training videos is taken."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Strict

from zsvideo.errors import UserError
from zsvideo.options import Count, NotNegative, Seed, Share, Switch, options, parse


def switch_or_pillow(value: Any) -> Any:
    """Check a switch that also takes the name of a library; raises ValueError."""
    if not isinstance(value, bool) and value != "pillow":
        raise ValueError("must be true or false, or pillow")
    return value


@options
class ClipSpec:
    """What a clip is, and how it is cut from a video (Sec. 3.2 and 4.4)."""

    group: ClassVar[str] = "clips"

    frames: Count = 16
    """T, frames of a clip, consecutive (Sec. 3.2) or as `sampling` says."""
    test_clips: Count | list[Count] = 25
    """N, linearly spaced clips of a test video (Sec. 4.4); 1 is the centre clip. [1,25] tests one
    training with each: the last has the target's name, others are `<target>_1clip`."""
    short_side: Count = 128
    """Pixels of the short side after scaling (Sec. 4.4)."""
    crop: Count = 112
    """Pixels of the square that is cut: at random in training, the centre in testing (Sec. 4.4)."""
    flip: Share = 0.5
    """Share of training clips that are mirrored; the paper says none, its code half."""
    short_videos: Literal["loop", "repeat_last"] = "loop"
    """What fills the clip of a video with fewer frames."""
    decoder: Literal["pyav", "decord"] = "pyav"
    """The library that decodes."""
    test_rule: Literal["linspace", "authors_code"] = "linspace"
    """Where test clips lie; `authors_code` plays short videos in a loop and cuts them anew."""
    single_clip: Literal["centre", "first"] = "centre"
    """Where the only clip starts for `clips.test_clips=1`."""
    segment_cap: Count | None = None
    """Frames of a labelled segment (ActivityNet) that are used; null for all."""
    train_last: Switch = True
    """The clip that ends with the video can be drawn in training."""
    length: Literal["decoded", "claimed"] = "decoded"
    """Frames of a video file: those that decode, or those its container claims, the last held."""
    resize: Literal["exact", "floor", "shortest", "squash"] = "exact"
    """Short side to the pixel, one pixel less for some sizes (authors' code), or the long side cut
    off to whole pixels (torchvision); `squash` makes a square of the whole frame."""
    antialias: Annotated[bool | str, BeforeValidator(switch_or_pillow)] = False
    """Scale down with antialiasing, PyTorch's or Pillow's; neither the authors' code nor OpenCV
    does."""
    ken_burns: Literal["ours", "authors_code"] = "ours"
    """Crops of a still image; `authors_code` takes whole pixels, 112 at least."""
    sampling: Literal["consecutive", "starts", "middles", "ends"] = "consecutive"
    """Consecutive frames (Sec. 3.2), or T of the whole video, as an encoder of another library
    takes them: the first or the middle one of each of T equal parts, or from its first frame to
    its last. N clips then share N T of them, clip n taking each N-th; in training a part gives a
    random one."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    """How pixels are scaled."""
    centre: Literal["round", "floor"] = "round"
    """Half a pixel of the centre goes to the even one (torchvision), or is cut off
    (transformers)."""

    def __post_init__(self) -> None:
        """Check values that depend on each other, and the decoder; raises UserError."""
        if self.decoder == "decord" and find_spec("decord") is None:
            raise UserError(
                "clips.decoder=decord is not installed: it is there for Linux on x86_64 alone; "
                "take clips.decoder=pyav"
            )
        if self.segment_cap is not None and self.segment_cap < self.frames:
            raise UserError(
                f"clips.segment_cap={self.segment_cap} must be null or at least clips.frames"
            )
        if self.crop > self.short_side - (self.resize == "floor"):
            raise UserError(
                f"clips.crop={self.crop} is larger than clips.short_side={self.short_side} leaves "
                f"by clips.resize={self.resize}"
            )
        if not self.counts or len(set(self.counts)) < len(self.counts):
            raise UserError(f"clips.test_clips={self.test_clips} must be numbers that differ")

    @property
    def counts(self) -> list[int]:
        """The numbers of clips that a video is tested with; the last is the main one."""
        return self.test_clips if isinstance(self.test_clips, list) else [self.test_clips]


@options
class LoaderSpec:
    """How clips are loaded, and what an epoch is."""

    group: ClassVar[str] = "loader"

    batch_size: Count = 22
    """Training clips a step (Sec. 4.4)."""
    test_batch_size: Count = 4
    """Test videos at once, each of `clips.test_clips` clips."""
    workers: NotNegative | Literal["auto"] = "auto"
    """Decoding processes: `auto` takes the cores of the process that trains, as far as memory and
    shared memory go; 0 decodes in that process. Clips are the same with any number."""
    timeout: NotNegative = 600
    """Seconds that a batch may take before the run stops."""
    epoch_samples: Count = 100_000
    """Clips an epoch, at most (authors' code)."""
    equal_updates: Switch = False
    """Take a smaller set again until `epoch_samples`, for ablations."""
    balance: Share = 0.0
    """0 takes each video once an epoch; above it videos are drawn with replacement, so that a class
    of n videos has the share n^(1 - balance): 1 is as many of each class, 0.5 the square root."""
    partial_batch: Switch = False
    """What is left of a small epoch is a batch too."""

    def epoch_batches(self, videos: int, world_size: int = 1) -> int:
        """Count the batches of an epoch in each of `world_size` processes.

        As in the authors' code an epoch takes each video once but ends with the batch after the one
        that reaches `epoch_samples` clips: at 22 and 100,000, 4,547 batches, 100,034 clips.
        With `equal_updates` a smaller set is taken again until then. What is left of a smaller set
        is a batch by `partial_batch` alone, or where there is no other.
        """
        batch = self.batch_size * world_size
        most = self.epoch_samples // batch + 2
        full, left = divmod(videos, batch)
        full += self.partial_batch and left >= world_size
        return most if self.equal_updates else max(1, min(full, most))


@options
class AllVideos:
    """All videos that the protocol leaves."""

    kind: Literal["none"] = "none"
    """Which subset this is."""


@options
class SomeClasses:
    """Some classes, drawn at random, with all their videos (Sec. 5.2, blue in Fig. 4)."""

    kind: Literal["classes"]
    """Which subset this is."""
    classes: Count | None = 50
    """How many of those that the protocol leaves; null takes all."""
    seed: Seed = 0
    """Of the draw."""
    nested: Switch = False
    """A smaller draw of a seed is a part of a larger one."""
    legacy: Switch = False
    """As in the authors' code, evenly spaced over the alphabet of the classes left."""


@options
class SomeVideos:
    """Some videos, drawn at random whatever their class (Sec. 5.2, orange in Fig. 4)."""

    kind: Literal["samples"]
    """Which subset this is."""
    samples: Count | Annotated[float, Strict()] | None = 0.1
    """A number of videos, or a share of them; null takes all."""
    seed: Seed = 0
    """Of the draw."""
    nested: Switch = False
    """A smaller draw of a seed is a part of a larger one."""
    legacy: Switch = False
    """As in the authors' code, evenly spaced over the file list, before overlap removal."""

    def __post_init__(self) -> None:
        """Check the number or share; raises UserError."""
        if isinstance(self.samples, float) and not 0 < self.samples < 1:
            raise UserError(
                f"subset.samples={self.samples} must be a whole number or a share below 1"
            )


@options
class ClassCluster:
    """Some classes of one cluster of the class vectors (Sec. 5.2, Fig. 5)."""

    kind: Literal["clusters"]
    """Which subset this is."""
    clusters: Count = 2
    """How many clusters k-means makes; 1 draws from all classes."""
    classes: Count = 50
    """How many classes are drawn."""
    seed: Seed = 0
    """Of the draw of classes."""
    cluster: NotNegative | None = None
    """A number takes that cluster, the largest being 0; null takes each in turn by seed."""
    cluster_seed: Seed = 0
    """Of k-means, the same for all draws."""


Subset = AllVideos | SomeClasses | SomeVideos | ClassCluster
SUBSETS: dict[str, type[Subset]] = {
    "none": AllVideos,
    "classes": SomeClasses,
    "samples": SomeVideos,
    "clusters": ClassCluster,
}


def subset_of(values: Mapping[str, Any]) -> Subset:
    """Make the typed value of the group `subset`; raises UserError."""
    kind = str(values.get("kind"))
    if kind not in SUBSETS:
        raise UserError(f"subset.kind={kind} is unknown; allowed: {', '.join(SUBSETS)}")
    subset: Subset = parse(SUBSETS[kind], values, "subset")
    return subset
