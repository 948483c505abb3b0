"""The network, its loss, its optimiser and its head (Sec. 3.1, 3.2 and 4.4)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, Strict

from zsvideo.errors import UserError
from zsvideo.options import Count, Number, Seed, Share, Switch, Text, options, parse

LINEAR = "linear"
Finite = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Three = Annotated[list[Finite], Field(min_length=3, max_length=3)]


def no_loss(value: Any) -> Any:
    """Check that a reduction is not the name of a loss; raises ValueError."""
    if value == "cosine":
        raise ValueError("is unknown; allowed: mean, sum; model.loss=cosine is the cosine distance")
    return value


@options
class ModelSpec:
    """The network g = f_s(mean of f_v over clips), its loss and its optimiser."""

    group: ClassVar[str] = "model"

    backbone: Text
    """f_v: a function of `zsvideo.models.backbones`, such as r2plus1d."""
    dropout: Share = 0.05
    """Share of features dropped in training, after the mean over clips (authors' code)."""
    normalize_output: Switch = True
    """Scale g(x) to unit length, as in the authors' code; Eq. 2 does not."""
    loss: Literal["squared", "cosine", "aurl", "contrastive"] = "squared"
    """Squared error (Eq. 2), cosine distance, or alignment and uniformity (Pu et al., 2022);
    `contrastive` is set by method=contrastive."""
    reduction: Annotated[Literal["mean", "sum"], BeforeValidator(no_loss)] = "mean"
    """Of the loss over a batch; Eq. 2 has a sum."""
    c3d_input: Literal["kinetics_norm", "sports1m_raw"] = "kinetics_norm"
    """What C3D reads: normalised RGB (authors' code), or RGB in 0..255 as its published weights."""
    lr: Number = 0.001
    """Learning rate of Adam (Sec. 4.4)."""
    milestones: list[Count] = Field(default_factory=lambda: [60, 120])
    """Epochs at which the learning rate is multiplied by `gamma` (Sec. 4.4)."""
    gamma: Number = 0.1
    """See `milestones` (Sec. 4.4)."""
    clips_per_pass: Count = 50
    """Clips that f_v sees at once in testing, which bounds memory."""
    mean: Three = Field(default_factory=lambda: [0.43216, 0.394666, 0.37645])
    """Of RGB in 0..1, subtracted from the clips (Sec. 4.4, Kinetics)."""
    std: Three = Field(default_factory=lambda: [0.22803, 0.22145, 0.216989])
    """Of RGB in 0..1, by which they are divided (Sec. 4.4, Kinetics)."""
    frozen: Switch = False
    """Train f_s alone: `method=baseline` sets it."""
    legacy_bn: Switch = False
    """With `frozen`, let the statistics of BatchNorm move all the same (authors' code)."""
    channels_last: Switch = False
    """Lay clips and f_v out with the channels last in memory (`trainer=fast`)."""
    compile: Switch = False
    """Compile f_v for training (`trainer=fast`)."""
    fused: Switch = False
    """On a GPU, update all weights in one kernel (`trainer=fast`)."""
    seed: Seed = 0
    """Of dropout."""

    def __post_init__(self) -> None:
        """Check that options go with each other; raises UserError."""
        if (self.loss, self.reduction) == ("aurl", "sum"):
            raise UserError(
                "model.reduction=sum is for model.loss=squared and cosine; aurl is a mean over the "
                "batch: model.reduction=mean"
            )
        if min(self.std) <= 0:
            raise UserError(f"model.std={self.std} must be three numbers above 0")
        if self.c3d_input == "sports1m_raw" and self.backbone != "c3d":
            raise UserError(
                f"model.c3d_input={self.c3d_input} is for model=c3d, not for {self.backbone}"
            )


@options
class HeadSpec:
    """What maps features to classes, and how its open options are chosen."""

    kind: str = LINEAR
    """`linear` is f_s (Sec. 3.1); any other is fitted on the features of a frozen f_v."""
    draws: Count = 8
    """Sets of options that are tried on held-out classes of the source."""
    share: Share = 0.2
    """Of the classes trained on, held out to choose options; then all are trained on."""
    gate: Literal["none", "informed_democracy"] = "none"
    """Says which videos are of no class trained on, for `evaluation=[generalised]`."""
    options: Any = None  # of the head itself, in the same group

    @property
    def fitted(self) -> bool:
        """Whether it is fitted on features, in place of f_s."""
        return self.kind != LINEAR

    @property
    def values(self) -> dict[str, Any]:
        """The options of the head itself, as plain data."""
        return dict(vars(self.options)) if self.fitted else {}


def head_of(values: Mapping[str, Any]) -> HeadSpec:
    """Make the typed value of the group `head`; raises UserError."""
    shared = {key: values[key] for key in ("kind", "draws", "share", "gate") if key in values}
    own = {key: value for key, value in values.items() if key not in shared}
    spec: HeadSpec = parse(HeadSpec, shared, "head")
    if not spec.fitted:
        if own:
            raise UserError(f"there is no option head.{min(own)} of head=linear")
        return spec
    from zsvideo.models.heads import HEADS

    if spec.kind not in HEADS:
        allowed = ", ".join([LINEAR, *HEADS])
        raise UserError(f"head.kind={spec.kind} is unknown; allowed: {allowed}")
    return replace(spec, options=parse(HEADS[spec.kind].Options, own, "head"))
