"""Every option that takes a path takes any path, as typed."""

import os
import shlex

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from zsvideo.cli import composed, line
from zsvideo.errors import UserError
from zsvideo.overrides import PLACES, quote_digits, readable, typed_path
from zsvideo.resources import CONF
from zsvideo.usage import typed_option

ODD = [
    "a b",
    " lead and trail ",
    "café",
    "naïve-日本語",
    "caf\udce9",  # not UTF-8
    "a,b",
    "[x]",
    "[a,b]",
    "{a}",
    "{a: b}",
    "(a)",
    "a (1)",
    "epoch=3-step=100",
    "it's",
    '5" disk',
    "#1",
    "a#b",
    "~/a",
    "~a",
    "a&b;c!d*e?f",
    "$HOME",
    "100%",
    "007",
    "605",
    "1e5",
    "1_000",
    "true",
    "NULL",
    "a:b",
    "a|b",
    "<a>",
    "`a`",
    "x\\",
    "a\nb",
    "choice(a,b)",
    "-m",
]
SINGLE = {
    "train": [
        "resume",
        "source.root",
        "target.ucf101.root",
        "paths.data",
        "paths.cache",
        "paths.pretrained",
        "semantics.path",
        "pretrain.ckpt",
        "features.ckpt",
        "protocol.vectors",
        "hydra.run.dir",
        "hydra.sweep.dir",
        "hydra.sweep.subdir",
        "callbacks.checkpoint.dirpath",
        "logger.csv.save_dir",
    ],
    "evaluate": ["ckpt", "predictions"],
    "report": ["run", "compare", "out", "quoted"],
    "prepare": ["root", "out"],
    "audit": ["source.root", "target.ucf101.root"],
}


@pytest.mark.parametrize("path", ODD)
def test_a_path_is_taken_letter_by_letter(path):
    (typed,) = readable([f"source.root={path}"])
    value = OverridesParser.create().parse_override(typed).value()
    assert OmegaConf.create({"a": value}).a == path
    assert typed_path([typed], "source.root") == path
    assert shlex.split(typed_option("resume", path)) == [f"resume={path}"]  # as messages advise


@pytest.mark.parametrize("command", SINGLE)
def test_every_option_takes_any_path(command):
    path = "R é,[a]=b 'q' #1 $x {y} ~&;!"
    groups = {"train": ["target=[ucf101]"], "prepare": ["dataset=ucf101"]}.get(command, [])
    typed = readable([*groups, *(f"{key}={path}" for key in SINGLE[command])])
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(command, typed, return_hydra_config=True)
    assert {key: OmegaConf.select(config, key) for key in SINGLE[command]} == dict.fromkeys(
        SINGLE[command], path
    )


def test_the_list_of_paths_is_complete():
    """What else in the configs stands for a file or folder would have to be added."""
    for command, keys in SINGLE.items():
        assert all(PLACES.fullmatch(key) for key in keys), command
    words = ("root", "ckpt", "dir", "dirpath", "save_dir", "cache", "vectors", "splits", "remove")
    for file in CONF.rglob("*.yaml"):
        for key in OmegaConf.load(file):
            group = file.parent.name
            name = str(key) if group == "conf" else f"{group}.{key}"
            group_of_sets = group in ("source", "target")
            if key in words and not (group_of_sets and key != "root"):
                assert PLACES.fullmatch(name), f"{file}: {key}"


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ('ckpt="R/epoch=3,a"', "R/epoch=3,a"),
        ("ckpt='R/epoch=3'", "R/epoch=3"),
        (r"ckpt=R/epoch\=3", "R/epoch=3"),
        (r"ckpt='it\'s'", "it's"),
        ("ckpt=null", None),
        ("ckpt=", None),
        ("resume=auto", None),
    ],
)
def test_what_is_in_quotes_for_hydra_stays_so(typed, path):
    assert typed_path(readable([typed]), "ckpt") == path


def test_a_file_that_is_there_is_meant_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("'quoted'", '"q"', "a\\=b", "${x}", "[a,b]", "x,y"):
        (tmp_path / name).mkdir()
        for command in ([f"ckpt={name}"], [f"ckpt={name}", "-m"]):
            assert typed_path(readable(command), "ckpt") == name
        option = OverridesParser.create().parse_override(readable([f"source.root={name}"])[0])
        value = OmegaConf.create({"a": option.value()}).a
        assert value == name


def test_lists_sweeps_and_what_is_no_path_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b").mkdir()

    def read(*typed):
        return OverridesParser.create().parse_override(readable(typed)[0]).value()

    assert read("compare=[a b,c=d, é]") == ["a b", "c=d", "é"]
    assert read("compare=[a,b,c]") == ["a,b", "c"]
    assert read('compare=["x,y",c]') == ["x,y", "c"]
    assert read("protocol.remove=[jump,run]") == ["jump", "run"]
    sweep = OverridesParser.create().parse_override(readable(["source.root=x,y", "-m"])[0])
    assert sweep.is_sweep_override()
    (tmp_path / "é=1").mkdir()
    sweep = OverridesParser.create().parse_override(readable(["ckpt=a,b,é=1", "-m"])[0])
    assert [value.text for value in sweep.value().list] == ["a,b", "é=1"]
    assert readable(["a=1", "-m", "seed=0,1"]) == ["a=1", "seed=0,1", "-m"]  # Hydra refuses it amid
    for other in ("source.root=${paths.data}/x", "seed=1,2", "subset.classes=50", "a", "-m", "~x"):
        assert readable([other]) == [other]
    assert readable(["protocol=605"]) == quote_digits(["protocol=605"])


def test_other_options_say_how_to_type_odd_values(tmp_path):
    with pytest.raises(UserError) as told:
        composed(["study.name=a&b"], tmp_path)
    assert "study.name=a&b cannot be read as an option" in str(told.value)
    assert "'study.name=\"VALUE\"'" in line(told.value)
    assert composed(["source=csv", "source.root=x"], tmp_path / "é,=").paths.run.endswith("é,=")
    assert os.fsencode("caf\udce9") == b"caf\xe9"
