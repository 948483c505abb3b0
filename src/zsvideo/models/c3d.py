"""C3D (Tran et al., ICCV 2015) from conv1a to fc6.

Shapes: B batch, C channels, T = 16 frames, H = W = 112.
"""

from itertools import pairwise

from torch import Tensor, nn

from zsvideo.errors import UserError


def stage(
    widths: list[int], pool: int | tuple[int, ...], pad: int | tuple[int, ...] = 0
) -> list[nn.Module]:
    """Make 3x3x3 convolutions with ReLU through `widths`, then one max pooling."""
    layers: list[nn.Module] = []
    for wide_in, wide_out in pairwise(widths):
        layers += [nn.Conv3d(wide_in, wide_out, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
    return [*layers, nn.MaxPool3d(pool, stride=pool, padding=pad)]


class C3D(nn.Module):
    """Eight convolutions, five poolings and fc6: (B, 3, 16, 112, 112) to (B, 4096).

    fc7 and fc8 of the original are left out: f_s reads fc6, as in the authors' code.
    """

    feature_dim = 4096

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *stage([3, 64], (1, 2, 2)),
            *stage([64, 128], 2),
            *stage([128, 256, 256], 2),
            *stage([256, 512, 512], 2),
            *stage([512, 512, 512], 2, (0, 1, 1)),
        )
        self.fc6 = nn.Linear(512 * 1 * 4 * 4, self.feature_dim)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, clips: Tensor) -> Tensor:
        """Encode (B, 3, 16, 112, 112) to (B, 4096)."""
        if clips.shape[2:] != (16, 112, 112):
            size = " x ".join(map(str, clips.shape[2:]))
            raise UserError(
                f"model=c3d takes clips of 16 x 112 x 112, not {size}"
                "; set clips.frames=16 clips.short_side=128 clips.crop=112"
            )
        features: Tensor = self.relu(self.fc6(self.features(clips).flatten(1)))
        return features
