"""Every option composes, and every key of it has a reader."""

import inspect
import re
from dataclasses import replace
from functools import cache

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import get_method
from omegaconf import OmegaConf

from zsvideo.data.options import ClipSpec, LoaderSpec, subset_of
from zsvideo.errors import UserError
from zsvideo.experiment.composed import Experiment, check_options
from zsvideo.experiment.environment import settings
from zsvideo.experiment.options import GROUPS as GROUPS_TYPED
from zsvideo.experiment.options import fields_page
from zsvideo.models.options import head_of
from zsvideo.overrides import quote_digits
from zsvideo.prediction.encoders import encoder_spec
from zsvideo.resources import CONF, ROOT
from zsvideo.semantics.class_texts import ClassVectorSpec
from zsvideo.semantics.protocol import Protocol

GROUPS = [
    (f.parent.name, f.stem)
    for folder in (*sorted(CONF.iterdir()), ROOT / "experiments")
    if folder.is_dir()
    for f in sorted(folder.glob("*.yaml"))
]
LISTS = ("target", "evaluation")
AUDITED = (
    "paths",
    "hydra",
    "source",
    "pretrain",
    "target",
    "protocol",
    "semantics",
    "class_vectors",
)
BY_GROUP = {g: [o for group, o in GROUPS if group == g] for g, _ in GROUPS}
BY_GROUP["head"] = [None] * len(BY_GROUP["method"]) + BY_GROUP["head"]  # it sets the method
APART = ("experiments", "scale", "encoder")  # see the test of presets, and that of the contract
# With selection=last, and with class_vectors=text.
BY_GROUP["method"].sort(key=lambda m: {"classify": 0, "contrastive": 1}.get(m, 2))
BY_GROUP["callbacks"].sort(key=lambda c: c == "early_stopping")  # with selection=val
SLOW = pytest.mark.slow
COLUMNS = range(max(len(v) for g, v in BY_GROUP.items() if g not in APART))


@cache
def column(cli, number):
    """Compose the option of this number of every group that has so many; what is missing is x."""
    chosen = {
        group: options[number]
        for group, options in BY_GROUP.items()
        if number < len(options)
        and options[number]
        and group not in APART
        and (cli != "audit" or group in AUDITED)
    }
    typed = [f"{g}=[{o}]" if g in LISTS else f"{g}={o}" for g, o in chosen.items() if g != "hydra"]
    if chosen.get("method") in ("frozen", "contrastive"):
        typed += ["encoder=clip_b16", "pretrain=none"]
    if "head" in chosen:
        typed.append("pretrain.ckpt=x")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose(cli, quote_digits(typed))
    return chosen, OmegaConf.create(OmegaConf.to_yaml(composed).replace("???", "x"))


@pytest.mark.parametrize("number", COLUMNS)
@pytest.mark.parametrize(
    "cli", ["train", *(pytest.param(c, marks=SLOW) for c in ("evaluate", "audit"))]
)
def test_every_option_composes(cli, number):
    chosen, composed = column(cli, number)
    check_options(composed)
    for group in chosen:
        assert group == "hydra" or composed[group]


def accepted(target):
    function = get_method(target)
    if inspect.isclass(function):
        function = function.__init__
    return inspect.signature(function).parameters


@pytest.mark.parametrize(("group", "option"), GROUPS, ids=lambda x: x)
def test_every_key_is_read(group, option):
    if group in ("paths", "hydra", *APART):
        return
    composed = column("train", BY_GROUP[group].index(option))[1]
    if group == "compat":  # sets switches of other groups
        ClipSpec(**composed.clips)
        assert composed.compat == option
        return
    composed = composed[group]
    if group == "encoder":  # `predict` reads its file without Hydra
        assert vars(encoder_spec(option)) == dict(composed)
    plain = OmegaConf.to_container(composed, resolve=False)
    known = {
        "pretrain": {
            "name",
            "table",
            "root",
            "source",
            "ckpt",
            "classify",
            "filter",
            "reset_head",
            "max_epochs",
        },
        "method": {"classify", "frozen", "legacy_bn", "cached_clips", "contrastive", "lr"},
        "selection": {"name", "share", "targets"},
        "features": {"clips", "dtype", "pca", "ckpt"},
    }  # read by zsvideo.experiment.pretraining and zsvideo.experiment.features
    if group in known:
        assert set(plain) <= known[group]
        return
    readers = {
        "clips": ClipSpec,
        "loader": LoaderSpec,
        "protocol": Protocol,
        "class_vectors": ClassVectorSpec,
    }
    if group == "subset":
        assert subset_of(OmegaConf.to_container(composed, resolve=True)).kind == option
        return
    if group == "head":
        assert head_of(plain).kind == option
        return
    if group in readers:
        readers[group](**OmegaConf.to_container(composed, resolve=True))
        return
    for part in [plain] if "_target_" in plain else plain.values():
        keys = set(part) - {"_target_", "_partial_"}
        parameters = accepted(part["_target_"])
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            assert keys <= set(parameters)


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["full", "demo"])
def test_presets_compose_at_both_scales(config, scale):
    for preset in sorted(f.stem for f in (ROOT / "experiments").glob("*.yaml")):
        if (preset, scale) == ("weizmann", "demo"):  # real videos have no generated counterpart
            continue
        composed = config(f"experiments={preset}", f"scale={scale}")
        check_options(composed)
        if preset != "demo":
            assert composed.study.name == preset
        assert scale == "full" or composed.model.backbone == "tiny"
    presets = "".join(f.read_text() for f in (ROOT / "experiments").rglob("*.yaml"))
    assert all(f"${{scale.{key}}}" in presets for key in composed.scale)


@pytest.mark.slow
def test_the_wandb_sweep_takes_options_of_train(config):
    sweep = OmegaConf.to_container(
        OmegaConf.load(ROOT / "experiments" / "wandb" / "sweep.yaml"), resolve=False
    )
    typed = [f"{key}={value}" for key, p in sweep["parameters"].items() for value in p["values"]]
    assert sweep["command"][2:4] == ["-m", "src.train"]
    for option in typed:
        assert config(option, "logger=wandb")


def test_paper_defaults(config):
    composed = config("protocol=605", "model=r2plus1d")
    assert list(composed.target) == ["ucf101", "hmdb51", "activitynet"]
    assert (composed.model.lr, list(composed.model.milestones), composed.model.gamma) == (
        1e-3,
        [60, 120],
        0.1,
    )
    assert composed.trainer.max_epochs == 150
    assert composed.loader.batch_size == 22
    assert list(composed.model.mean) == [0.43216, 0.394666, 0.37645]
    assert list(composed.model.std) == [0.22803, 0.22145, 0.216989]
    assert composed.clips.test_clips == 25
    assert (composed.clips.short_side, composed.clips.crop, composed.clips.frames) == (128, 112, 16)


def test_protocol_sets_targets_and_narrowing_keeps_what_is_kept_out(config):
    assert list(config("protocol=664").target) == ["ucf101", "hmdb51"]
    narrowed = config("protocol=605", "target=[ucf101]")
    assert list(narrowed.target) == ["ucf101"]
    assert narrowed.protocol.keep_out == ["ucf101", "hmdb51", "activitynet"]


@pytest.mark.slow
def test_compat_sets_every_switch_and_each_can_be_set_alone(config):
    ours = ClipSpec(**config("compat=ours").clips)
    assert ours == ClipSpec(16, 25, 128, 112, 0.5, "loop") == ClipSpec(**config().clips)
    authors = ClipSpec(**config("compat=authors_code").clips)
    assert (
        authors.test_rule,
        authors.single_clip,
        authors.segment_cap,
        authors.train_last,
        authors.resize,
        authors.short_videos,
    ) == (
        "authors_code",
        "first",
        300,
        False,
        "floor",
        "repeat_last",
    )
    mixed = ClipSpec(**config("compat=authors_code", "clips.test_rule=linspace").clips)
    assert mixed == replace(authors, test_rule="linspace")
    assert (authors.length, authors.antialias) == ("claimed", False)
    paper = config("compat=paper")
    assert (paper.clips.flip, paper.semantics.target_length) == (0, "mean")
    assert (paper.model.normalize_output, paper.model.reduction) == (False, "sum")
    assert config("compat=authors_code").loader.partial_batch is True
    assert list(config("compat=authors_code").selection.targets) == ["ucf101", "hmdb51"]


@pytest.mark.slow
def test_each_switch_is_set_by_every_group_and_alone_and_is_recorded(config):
    def recorded(*options):
        return Experiment.of(config("paths.run=runs", *options)).composed

    plain = {
        compat: settings(recorded(f"compat={compat}"))
        for compat in ("ours", "paper", "authors_code")
    }
    for switch in (
        "semantics.target_length=sum",
        "model.reduction=sum",
        "model.loss=cosine",
        "model.c3d_input=sports1m_raw",
        "loader.partial_batch=false",
        "clips.length=decoded",
        "clips.antialias=true",
    ):
        key, value = switch.split("=")
        group, name = key.split(".")
        assert all(name in setup[group] for setup in plain.values()), switch
        network = ["model=c3d"] if name == "c3d_input" else []  # of that network alone
        before = settings(recorded("compat=authors_code", *network))
        changed = settings(recorded("compat=authors_code", *network, switch))
        assert str(changed[group][name]).lower() == value != str(before[group][name]).lower()
        assert changed == before | {group: before[group] | {name: changed[group][name]}}


@pytest.mark.parametrize(
    ("option", "plugin", "target"),
    [
        ("slurm", "hydra_submitit_launcher.config", "submitit_launcher.SlurmLauncher"),
        ("ray_gpus", "hydra_ray_launcher", "ray_launcher.RayLauncher"),
    ],
)
def test_launchers_of_clusters_compose(config, tmp_path, option, plugin, target):
    pytest.importorskip(f"hydra_plugins.{plugin}")
    composed = config(f"hydra/launcher={option}", run=tmp_path)
    assert composed.hydra.launcher._target_.endswith(target)


def test_every_switch_of_the_configs_is_checked(config):
    found = set()
    for file in sorted(CONF.rglob("*.yaml")):
        group, *_ = file.relative_to(CONF).parts
        if group in ("hydra", "logger", "callbacks", "trainer"):
            continue
        options = yaml.safe_load(file.read_text()) or {}
        options.pop("hydra", None)
        for key, value in options.items():
            if isinstance(value, dict):
                found |= {f"{key}.{k}" for k, v in value.items() if isinstance(v, bool)}
            elif isinstance(value, bool):
                found.add(key if group == file.name else f"{group}.{key}")
    ours = {name for name in found if "._" not in name and not name.startswith("trainer.")}
    assert len(ours) > 20
    composed = config()
    check_options(composed)
    for name in sorted(ours):
        wrong = composed.copy()
        OmegaConf.update(wrong, name, "abc", force_add=True)
        if name == "subset.legacy" or name == "subset.nested":
            wrong.subset = {"kind": "classes", name.partition(".")[2]: "abc"}
        if name == "head.adapt":
            wrong.head = {"kind": "url", "adapt": "abc"}
        with pytest.raises(UserError, match=f"{re.escape(name)}=abc must be true or false"):
            check_options(wrong)


def test_the_page_of_options_is_in_step():
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert page.partition("<!-- fields -->\n\n")[2] == fields_page()


def test_typed_defaults_are_those_of_the_configs(config):
    composed = config("protocol=605", "model=r2plus1d")
    own = {name: kind for name, kind in GROUPS_TYPED.items() if name != "encoder"}  # none chosen
    for group, kind in own.items():
        typed = kind.__pydantic_fields__
        values = OmegaConf.to_container(composed[group], resolve=True)
        for key, value in values.items():
            if key in typed and not typed[key].is_required():
                default = typed[key].get_default(call_default_factory=True)
                places = {("semantics", "cache")}
                named = group == "protocol" and key in ("expected", "grades")
                assert (group, key) in places or named or default == value, (group, key)
