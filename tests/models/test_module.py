"""The network, its loss and its training."""

import io
import re

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from helpers.networks import OPTIONS, clips, module
from zsvideo.errors import UserError
from zsvideo.models.callbacks import NarrowProgressBar
from zsvideo.models.classifier import Classifier
from zsvideo.models.module import ZeroShotModule, training_top1
from zsvideo.models.options import ModelSpec


def parameters(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.slow
def test_r2plus1d_parameters_and_shapes():
    net = module(backbone="r2plus1d").eval()
    assert parameters(net.f_v) == 31_300_125
    assert parameters(net.f_s) == 153_900
    assert net.f_s.weight.shape == (300, 512)
    with torch.no_grad():
        assert net(clips(2, 1, 112)).shape == (2, 300)


@pytest.mark.slow
def test_r3d_and_c3d_parameters_and_shapes():
    assert module(backbone="r3d").f_s.weight.shape == (300, 512)
    net = module(backbone="c3d").eval()
    assert net.f_s.weight.shape == (300, 4096)
    dead = (4096 * 4096 + 4096) + (4096 * 487 + 487)  # fc7 and fc8 of the original
    assert parameters(net.f_v) + dead == 79_991_015 - 0
    with torch.no_grad():
        assert net(clips(1, 1, 112)).shape == (1, 300)


def test_features_are_averaged_before_f_s():
    class Brightness(torch.nn.Module):
        """Features that differ between clips in direction and norm."""

        def forward(self, clips):
            level = clips.mean(dim=(1, 2, 3, 4), keepdim=False)[:, None]
            return torch.cat([level.expand(-1, 32), level.pow(3).expand(-1, 32)], dim=1)

    net = module().eval()
    net.f_v = Brightness()
    with torch.no_grad():
        video = clips(1, 2)
        video[0, 1] //= 20
        features = torch.cat([net.features(video[:, i : i + 1]) for i in range(2)])
        expected = F.normalize(net.f_s(features.mean(0, keepdim=True)), dim=1)
        of_outputs = F.normalize(torch.stack([net(video[:, i : i + 1]) for i in (0, 1)]).mean(0))
        assert torch.allclose(net(video), expected, atol=1e-6)
        assert not torch.allclose(net(video), of_outputs, atol=1e-4)


def test_clips_in_passes_give_the_same_embeddings():
    video = clips(2, 5)
    with torch.no_grad():
        whole, parts = (module(clips_per_pass=n).eval()(video) for n in (50, 3))
    assert torch.allclose(whole, parts, atol=1e-6)


def test_loss_of_unit_vectors():
    net = module()
    z, y = (F.normalize(torch.randn(7, 300).double(), dim=1) for _ in range(2))
    cos = (z * y).sum(1).mean()
    assert abs(net.loss(z, y) - (2 - 2 * cos) / 300) < 1e-7
    total = module(reduction="sum").loss(z, y)
    assert torch.isclose(total, ((z - y) ** 2).sum())


def test_cosine_loss_sees_no_length():
    z, y = torch.randn(7, 300), torch.randn(7, 300)
    distances = 1 - (F.normalize(z, dim=1) * F.normalize(y, dim=1)).sum(1)
    mean, total = (module(loss="cosine", reduction=r).loss for r in ("mean", "sum"))
    assert torch.isclose(mean(z, y), distances.mean(), atol=1e-6)
    assert torch.isclose(total(z, y), distances.sum(), atol=1e-5)
    assert torch.isclose(mean(3 * z, y / 5), mean(z, y), atol=1e-6)
    assert not torch.isclose(mean(z, y), module().loss(z, y), atol=1e-2)


def aurl(**changes):
    net = module(loss="aurl", trained_classes=6, **changes)
    net.class_vectors = F.normalize(torch.randn(6, 300), dim=1)
    return net


def test_aurl_is_learned_from_labels_with_centres_of_its_own():
    net, plainly = aurl(), module()
    assert net.learns == "label" and plainly.learns == "target" and plainly.centres is None
    own, others = net.state_dict(), plainly.state_dict()
    assert own.keys() - others.keys() == {"centres.rows"}
    assert all(torch.equal(own[key], value) for key, value in others.items())
    assert "trained_classes" not in plainly.hparams and net.hparams["trained_classes"] == 6
    net.loss(net.embed({"clips": clips(4, 1)}), torch.tensor([0, 1, 2, 5])).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_aurl_sees_directions_of_embeddings_and_is_drawn_by_the_batch():
    net, labels = aurl(), torch.tensor([0, 3, 5])
    embeddings = torch.randn(3, 300)

    def value(embeddings, seed=0):
        torch.manual_seed(seed)
        return net.loss(embeddings, labels).item()

    assert value(embeddings) == pytest.approx(value(7 * embeddings), rel=1e-5)
    assert value(embeddings) != value(embeddings, seed=1)
    assert value(net.class_vectors[labels]) < value(net.class_vectors[labels - 1])


def test_a_sum_is_no_reduction_of_aurl():
    with pytest.raises(UserError, match=r"model\.reduction=sum .* aurl is a mean"):
        ModelSpec(backbone="tiny", loss="aurl", reduction="sum")
    assert ModelSpec(backbone="tiny", loss="aurl").reduction == "mean"


@pytest.mark.slow
def test_what_c3d_reads(tmp_path):
    torch.manual_seed(3)
    video = clips(1, 1, 112)
    read = {}
    for name in ("kinetics_norm", "sports1m_raw"):
        net = module(backbone="c3d", c3d_input=name).eval()
        net.f_v.register_forward_pre_hook(lambda _, args, n=name: read.update({n: args[0]}))
        with torch.no_grad():
            net.features(video)
    assert torch.allclose(read["sports1m_raw"], video[0].float(), atol=1e-4)
    assert torch.allclose(read["kinetics_norm"], (video[0] / 255 - 0.4) / 0.2, atol=1e-5)
    # Features that are kept are known by these.
    assert (net.hparams["mean"], net.hparams["std"]) == ([0.0] * 3, [1 / 255] * 3)


def test_accuracy_of_training_is_computed_where_the_network_is():
    """On the meta device nothing has a value: reading one, as a copy to a CPU does, would fail."""
    vectors = F.normalize(torch.randn(5, 8), dim=1)
    labels = torch.tensor([0, 1, 2, 3])
    embeddings = 7 * vectors[[0, 1, 2, 4]]
    assert training_top1(embeddings, labels, vectors) == 75
    assert training_top1(*(t.to("meta") for t in (embeddings, labels, vectors))).is_meta


def test_unlabelled_videos_are_embedded_as_labelled_ones():
    net = module().eval()
    batch = {"clips": clips(3, 1), "index": torch.arange(3)}
    labelled = net.predict_step(batch | {"label": torch.arange(3)}, 0)
    unlabelled = net.predict_step(batch, 0)
    assert set(unlabelled) == {"embeddings", "index"}
    assert torch.equal(unlabelled["embeddings"], labelled["embeddings"])
    assert torch.equal(labelled["label"], torch.arange(3))
    assert net.predict_step({"unreadable": [("a", "missing file")]}, 0) is None


def test_every_parameter_learns():
    net = module()
    target = F.normalize(torch.randn(4, 300), dim=1)
    batch = {"clips": clips(4, 1), "target": target, "label": torch.arange(4)}
    net.log = lambda *_, **__: None
    net.training_step(batch, 0).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_learning_rate_trace():
    made = module().configure_optimizers()
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]
    assert isinstance(optimizer, torch.optim.Adam)
    trace = {}
    for epoch in range(150):
        trace[epoch] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step()
    seen = [trace[e] for e in (0, 59, 60, 119, 120, 149)]
    assert seen == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])


def test_dropout_in_training_only():
    net = module(dropout=0.5)
    video = clips(3, 1)
    net.f_v.eval()
    assert not torch.equal(net(video), net(video))
    net.eval()
    assert torch.equal(net(video), net(video))


def test_checkpoint_is_plain(tmp_path):
    import pytorch_lightning as pl

    net = module()
    trainer = pl.Trainer(
        logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False
    )
    trainer.strategy.connect(net)
    trainer.save_checkpoint(tmp_path / "m.ckpt")
    saved = torch.load(tmp_path / "m.ckpt", weights_only=True)
    assert saved["hyper_parameters"] == OPTIONS
    loaded = ZeroShotModule.load_from_checkpoint(tmp_path / "m.ckpt", weights_only=True)
    video = clips(1, 2)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(video), net.eval()(video))


def test_nothing_readable_to_train_on():
    with pytest.raises(UserError, match=r"a/1\.avi"):
        module().training_step({"unreadable": [("a/1.avi", "empty file")]}, 0)


def test_bad_options():
    with pytest.raises(UserError, match="r2plus1d"):
        module(backbone="os.system")
    with pytest.raises(UserError, match="sum"):
        ModelSpec(backbone="tiny", reduction="max")
    with pytest.raises(UserError, match=r"reduction=cosine is unknown.*model\.loss=cosine"):
        ModelSpec(backbone="tiny", reduction="cosine")
    with pytest.raises(UserError, match=r"model\.loss=l1 is unknown; allowed: squared, cosine"):
        ModelSpec(backbone="tiny", loss="l1")
    with pytest.raises(UserError, match="sports1m_raw is for model=c3d, not for tiny"):
        ModelSpec(backbone="tiny", c3d_input="sports1m_raw")


def after_steps(net, steps=20):
    net.log = lambda *_, **__: None
    before = {k: v.clone() for k, v in net.f_v.state_dict().items()}
    optimizer = net.configure_optimizers()["optimizer"]
    for _ in range(steps):
        target = F.normalize(torch.randn(2, 300), dim=1)
        batch = {"clips": clips(2, 1), "target": target, "label": torch.arange(2)}
        optimizer.zero_grad()
        net.training_step(batch, 0).backward()
        optimizer.step()
    return {k for k, v in net.f_v.state_dict().items() if not torch.equal(v, before[k])}


def test_frozen_backbone_stays_bit_identical():
    net = module(frozen=True)
    trained = [p for g in net.configure_optimizers()["optimizer"].param_groups for p in g["params"]]
    assert [p.shape for p in trained] == [(300, 64), (300,)]
    assert after_steps(net) == set()
    assert all(p.grad is None for p in net.f_v.parameters()) and net.f_s.weight.grad is not None


@pytest.mark.slow
def test_a_classifier_learns_labels_and_embeds_nothing():
    torch.manual_seed(0)
    net = Classifier(3, **{k: v for k, v in OPTIONS.items() if k != "embedding_dim"})
    net.log = lambda *_, **__: None
    batch = {"clips": clips(6, 1), "label": torch.tensor([0, 1, 2, 2, 1, 0])}  # and no target
    before = {k: v.clone() for k, v in net.f_v.state_dict().items()}
    optimizer = net.configure_optimizers()["optimizer"]
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = net.training_step(batch, 0)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(np.log(3), abs=0.3) and losses[-1] < losses[0] / 4
    assert any(not torch.equal(v, before[k]) for k, v in net.f_v.named_parameters())
    scores = net.eval()(batch["clips"])
    assert scores.shape == (6, 3) and not torch.allclose(scores.norm(dim=1), torch.ones(6))
    assert {k.split(".")[0] for k in net.state_dict()} == {"f_v", "classifier"}


def test_legacy_bn_moves_the_buffers_of_a_frozen_backbone():
    net = module(backbone="r2plus1d", frozen=True, legacy_bn=True)
    moved = after_steps(net, steps=1)
    buffers = {k for k, _ in net.f_v.named_buffers()}
    assert moved == buffers and len({k for k in moved if "running" in k}) == 74
    assert module(backbone="r2plus1d", frozen=True).f_v.training is False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "features"),
    [("mc3", 112, 512), ("s3d", 224, 1024), ("mvit_v2_s", 224, 768), ("swin3d_t", 224, 768)],
)
def test_other_networks_of_torchvision(name, size, features, config):
    composed = config(f"model={name}")
    assert composed.clips.crop == size and composed.model.backbone == name
    net = module(backbone=name).eval()
    with torch.no_grad():
        assert net.features(clips(1, 1, size)).shape == (1, features)
    assert not any("head" in k or "classifier" in k or "fc." in k for k in net.f_v.state_dict())


def test_a_network_of_fixed_size_says_so():
    with pytest.raises(UserError, match="16 x 224 x 224, not 16 x 112 x 112"):
        module(backbone="mvit_v2_s").eval()(clips(1, 1, 112))


def test_the_progress_bar_takes_one_line_of_80_columns(tmp_path):
    shown = io.StringIO()
    bar = NarrowProgressBar(
        refresh_rate=1, console_kwargs={"file": shown, "width": 80, "force_terminal": True}
    )
    label = torch.arange(2)
    features, target = torch.ones(2, 64), torch.nn.functional.normalize(torch.ones(2, 300))
    batch = {"features": features, "target": target, "label": label}
    pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        callbacks=[bar],
    ).fit(module(), DataLoader([batch] * 100, batch_size=None))
    text = shown.getvalue()
    assert "100/100" in text and "loss: " in text
    assert "\x1b[1A" not in text  # a bar of two lines goes up a line to draw itself again
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text))
    longest = max(len(line.rstrip()) for line in lines)
    assert longest + len("Epoch 149/149 4547/4547") - len("Epoch 0/0 100/100") <= 80
