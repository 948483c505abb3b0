"""The tiny network takes any clip from 8 frames of 32x32 on, sees time and can learn."""

import pytest
import torch

from zsvideo.models.tiny import TinyR2Plus1D


@pytest.mark.parametrize("shape", [(1, 3, 8, 32, 32), (2, 3, 16, 40, 40), (2, 3, 9, 33, 47)])
def test_clips_of_any_size_become_features(shape):
    net = TinyR2Plus1D().eval()
    with torch.no_grad():
        features = net(torch.randn(shape))
    assert features.shape == (shape[0], net.feature_dim)
    assert features.isfinite().all()


def test_widths_set_the_feature_dimension():
    assert TinyR2Plus1D((4, 8)).feature_dim == 8
    assert TinyR2Plus1D((4, 8, 8, 12))(torch.randn(2, 3, 8, 32, 32)).shape == (2, 12)


def test_every_parameter_gets_a_gradient():
    net = TinyR2Plus1D((4, 8, 12))
    net(torch.randn(2, 3, 8, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_the_order_of_frames_matters():
    torch.manual_seed(0)
    net, clip = TinyR2Plus1D((4, 8, 12)).eval(), torch.randn(1, 3, 16, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(net(clip), net(clip.flip(2)), rtol=1e-3)
