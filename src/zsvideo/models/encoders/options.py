"""What an encoder of another library is, what it sees of a video, and what is known of it."""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zsvideo.data.options import ClipSpec
from zsvideo.errors import UserError
from zsvideo.models.options import Finite, Three
from zsvideo.options import Count, Number, Text, options

NO_LABELS = "none"
TRACKS = {
    "image-text": "vision-language",
    "video-text": "vision-language",
    "video": "video-encoder",
}
Cosine = Annotated[Finite, Field(ge=-1.001, le=1.001)]


@options
class EncoderSpec:
    """An encoder of another library: which one, what it sees of a video, and what is known of it.

    The files of `conf/encoder` are of this type, one an encoder.
    """

    group: ClassVar[str] = "encoder"

    name: Text
    """Its name here, that of the file."""
    library: Literal["open_clip", "transformers"]
    """The library that runs it."""
    kind: Literal["image-text", "video-text", "video"]
    """What its two sides read; `video` has no text side: a head or f_s is trained on it."""
    id: Text
    """Its name on the Hugging Face hub."""
    frames: Count
    """Frames of a video that it sees."""
    sampling: Literal["starts", "middles", "ends"]
    """How they are chosen, see `clips.sampling`."""
    size: Count
    """Pixels of the side of its square input."""
    resize: Literal["squash", "shortest"]
    """Whole frames are squashed into the square, or scaled by their short side and cut."""
    interpolation: Literal["bilinear", "bicubic"]
    """How pixels are scaled, always with antialiasing."""
    mean: Three
    """Of RGB in 0..1, subtracted from the frames."""
    std: Three
    """Of RGB in 0..1, by which they are divided."""
    licence: Text
    """Of the weights."""
    short_side: Count | None = None
    """Pixels of the short side, of which the square is cut; null is `size`."""
    weights: Text | None = None
    """A folder with the files of that repository; null takes them from the hub, or its cache."""
    revision: Text | None = None
    """A commit or tag there; null takes the newest, and the record says which that was."""
    sha256: Text | None = None
    """Of the weights, which must be these; null takes any, and the record says which."""
    trained_on: Text | None = None
    """What was published of the data of its training; null where nothing was."""
    labels: Text | None = None
    """Which class names had a part in that: a class table such as kinetics400, which the audit
    reads, or `none`; null where it is unknown."""
    began_with: Text | None = None
    """Weights that the training with these labels began with, of whose classes nothing is known;
    null where it began anew."""
    parity: list[Cosine] | None = None
    """Cosines of fixed texts and a fixed clip that it must give, see
    `zsvideo.models.encoders.parity`; null checks none."""
    tolerance: Number = 0.001
    """Largest difference from `parity`; other devices and versions give other last digits."""

    def __post_init__(self) -> None:
        """Check that no side is 0 wide after the division, nor cut from less; raises UserError."""
        if min(self.std) <= 0:
            raise UserError(f"encoder.std={self.std} must be three numbers above 0")
        if self.short_side is not None and self.short_side < self.size:
            raise UserError(
                f"encoder.short_side={self.short_side} is less than encoder.size={self.size}"
            )

    @property
    def track(self) -> str:
        """Say which numbers may stand beside its own: those of encoders of one kind of training."""
        return TRACKS[self.kind]

    @property
    def texts(self) -> bool:
        """Whether it has a text side."""
        return self.kind != "video"

    def check(self, clips: ClipSpec) -> None:
        """Check that clips are some that the encoder can read; how they are cut is free.

        Raises:
            UserError: they have another size, or another number of frames than a video encoder
                reads.
        """
        wrong = {"crop": (clips.crop, self.size)}
        if self.kind != "image-text":
            wrong["frames"] = (clips.frames, self.frames)
        for key, (value, own) in wrong.items():
            if value != own:
                raise UserError(f"clips.{key}={value} is not what encoder={self.name} reads: {own}")

    def clips(self, base: ClipSpec) -> ClipSpec:
        """Give clips as the encoder sees them: one a video, over all of it.

        Args:
            base: says the rest, such as what decodes, and how many clips are mirrored in training.
        """
        return replace(
            base,
            frames=self.frames,
            test_clips=1,
            sampling=self.sampling,
            short_side=self.short_side or self.size,
            crop=self.size,
            resize=self.resize,
            interpolation=self.interpolation,
            antialias="pillow" if self.library == "open_clip" else True,
            centre="round" if self.library == "open_clip" else "floor",
        )
