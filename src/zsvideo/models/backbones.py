"""Visual encoders f_v: clips (B, C, T, H, W) to features (B, F), without a classifier.

Each function here gives a new network with an attribute `feature_dim` (F) and random weights.
"""

from torch import Tensor, nn

from zsvideo.errors import UserError
from zsvideo.models.c3d import C3D
from zsvideo.models.tiny import TinyR2Plus1D

__all__ = ["c3d", "mc3", "mvit_v2_s", "r2plus1d", "r3d", "s3d", "swin3d_t", "tiny"]


class Features(nn.Module):
    """A torchvision video network up to the features that its classifier would read.

    Args:
        network: the whole network.
        classifier: the name of its last part, which is left out.
        feature_dim: F.
        takes: the only (T, H, W) it takes; None takes any.
    """

    def __init__(
        self,
        network: nn.Module,
        classifier: str,
        feature_dim: int,
        takes: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__()
        setattr(network, classifier, nn.Identity())
        self.network, self.classifier = network, classifier
        self.feature_dim, self.takes = feature_dim, takes

    def forward(self, clips: Tensor) -> Tensor:
        """Encode (B, C, T, H, W) to (B, F); raises UserError where it cannot take the size."""
        if self.takes and tuple(clips.shape[2:]) != self.takes:
            frames, side, _ = self.takes
            size = " x ".join(map(str, clips.shape[2:]))
            raise UserError(
                f"this network takes clips of {frames} x {side} x {side}, not {size}; set "
                f"clips.frames={frames} clips.crop={side} clips.short_side={side * 8 // 7}"
            )
        features: Tensor = self.network(clips)
        return features


def torchvision_network(name: str) -> nn.Module:
    """Make a network of torchvision with random weights; torchvision is imported here alone."""
    from torchvision.models import video

    network: nn.Module = getattr(video, name)(weights=None)
    return network


def r2plus1d() -> nn.Module:
    """R(2+1)D with 18 layers, F = 512 (Sec. 4.4)."""
    return Features(torchvision_network("r2plus1d_18"), "fc", 512)


def r3d() -> nn.Module:
    """ResNet-3D with 18 layers, F = 512; in the authors' code, not in the paper."""
    return Features(torchvision_network("r3d_18"), "fc", 512)


def mc3() -> nn.Module:
    """ResNet of 3D, then 2D convolutions (MC3), 18 layers, F = 512."""
    return Features(torchvision_network("mc3_18"), "fc", 512)


def s3d() -> nn.Module:
    """Separable 3D Inception (Xie et al., ECCV 2018), F = 1024."""
    return Features(torchvision_network("s3d"), "classifier", 1024)


def mvit_v2_s() -> nn.Module:
    """Multiscale vision transformer v2, small (Li et al., CVPR 2022), F = 768."""
    return Features(torchvision_network("mvit_v2_s"), "head", 768, takes=(16, 224, 224))


def swin3d_t() -> nn.Module:
    """Video Swin transformer, tiny (Liu et al., CVPR 2022), F = 768."""
    return Features(torchvision_network("swin3d_t"), "head", 768)


def c3d() -> nn.Module:
    """C3D up to fc6, F = 4096 (Sec. 4.4); clips of 16 x 112 x 112."""
    return C3D()


def tiny() -> nn.Module:
    """A small R(2+1)D for CPUs, trials and tests."""
    return TinyR2Plus1D()
