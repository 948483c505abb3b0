"""The paper's commands on made-up data sets of all its classes: which word vectors they use."""

import gzip
import hashlib
import json
import logging
import os

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict
from PIL import Image

from data.test_downloads import Server
from helpers.commands import fails, finished
from helpers.vectors import toy_vectors
from helpers.videos import grey_video
from zsvideo.cli import CONF
from zsvideo.commands.train import train
from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.datasets.base import Archive
from zsvideo.errors import UserError
from zsvideo.experiment import selection, testing, vectors
from zsvideo.experiment.composed import Claim, Experiment
from zsvideo.experiment.jobs import is_finished, job_hash
from zsvideo.experiment.vectors import (
    fetch_early,
    planned,
    settle,
    settle_names,
    vectors_hash,
)
from zsvideo.overrides import readable
from zsvideo.semantics.googlenews import EMBEDDED
from zsvideo.semantics.vectors import WordVectors, say_left_out
from zsvideo.semantics.words import DATASETS, RULES, class_names, words

SMALL = [
    "trainer.max_steps=1",
    "trainer.accelerator=cpu",
    "loader.workers=0",
    "loader.batch_size=2",
    "clips.short_side=36",
    "clips.crop=32",
    "clips.test_clips=1",
]
GAPS = {"barndoor", "thriftshop", "person's"}
FILE = "GoogleNews-vectors-negative300.bin"


def link(file, *places):
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, place)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """All classes of the paper's data sets in their layouts, a file a class; vectors of all words.

    The vectors lack what GoogleNews lacks.
    """
    root = tmp_path_factory.mktemp("papers")
    grey_video(root / "one.mp4", 17, (40, 52))
    grey_video(root / "one.avi", 17, (40, 52))
    Image.effect_noise((60, 50), 90).convert("RGB").save(root / "one.jpg")
    for number, name in enumerate(class_names("kinetics700")):
        clip = f"{number:011d}_000001_000011.mp4"
        link(root / "one.mp4", root / "kinetics700" / "train" / name / clip)
    for name in class_names("ucf101"):
        link(root / "one.avi", root / "ucf101" / "UCF-101" / name / f"v_{name}_g01_c01.avi")
    for name in class_names("hmdb51"):
        link(root / "one.avi", root / "hmdb51" / name / f"{name}_1.avi")
    for name in class_names("sun397"):
        link(root / "one.jpg", root / "sun397" / "SUN397" / name.strip("/") / "sun_1.jpg")
    database = {}
    for number, name in enumerate(class_names("activitynet")):
        link(root / "one.mp4", root / "activitynet" / "videos" / f"v_{number:011d}.mp4")
        entry = {"label": name, "segment": [0, 0.6]}
        database[f"{number:011d}"] = {"subset": "validation", "annotations": [entry]}
    listed = json.dumps({"database": database})
    (root / "activitynet" / "activity_net.v1-3.min.json").write_text(listed)
    every = {w for d in DATASETS for n in class_names(d) for r in RULES for w in words(n, d, r)}
    toy_vectors(sorted(every - GAPS), 300).save_word2vec_format(str(root / FILE), binary=True)
    return root


def without_vectors(data, folder):
    """Make a data folder with the data sets of the other one alone."""
    folder.mkdir(exist_ok=True)
    for name in ("kinetics700", "ucf101", "hmdb51"):
        (folder / name).symlink_to(data / name)
    return folder


@pytest.fixture
def home(monkeypatch, tmp_path):
    """No vectors in the place of gensim's downloader, and a download that fails at once."""
    monkeypatch.setenv("GENSIM_DATA_DIR", str(tmp_path / "gensim-data"))
    monkeypatch.setattr(vectors, "ITEM", Archive("http://127.0.0.1:9/x.gz", size=1_700_000_000))
    monkeypatch.setattr(vectors, "PAUSE", 0.001)
    say_left_out.cache_clear()
    return tmp_path / "gensim-data"


@pytest.fixture
def job(data, home, tmp_path, monkeypatch):
    """Compose a job as typed, on the paper's data; `run` starts it up to the end of training."""
    tested = {}
    monkeypatch.setattr(
        testing,
        "test",
        lambda experiment, run, trainer, *rest: tested.update(e=experiment, t=trainer),
    )
    monkeypatch.setattr(selection, "metric_of", lambda run, name: None)  # there is no record

    def make(*options, root=data, cli="train"):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            typed = readable([*options, f"paths.data={root}", f"paths.cache={tmp_path}/cache"])
            typed += [f"hydra.runtime.output_dir={tmp_path}/run", "hydra.job.num=0"]
            config = compose(cli, typed, return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            config.paths.run = str(tmp_path / "run")
            config.pop("hydra")
        return config

    def run(config):
        train(config)
        return tested["t"]

    make.run, make.tested = run, tested
    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["protocol=605", "model=r2plus1d"],
        ["protocol=605_identical"],
        ["protocol=664", "pretrain=sun"],
        ["protocol=664", "pretrain=sun", "compat=paper"],
        ["protocol=605", "pretrain=sun", "compat=authors_code"],
        ["protocol=664", "pretrain=sun", "pretrain.filter=false", "selection=val"],
        ["protocol=audited", "subset=clusters", "subset.classes=5"],
    ],
    ids=" ".join,
)
def test_the_papers_commands_start_training(job, caplog, tmp_path, options):
    model = [] if "model=r2plus1d" in options else ["model=tiny"]
    config = job(*options, *model, *SMALL)
    before = config.copy()
    with caplog.at_level(logging.INFO):
        assert job.run(config).global_step == 1
    used = job.tested["e"].semantics
    assert used.path.endswith(FILE) and len(used.sha256) == 64
    recorded = job.tested["e"].composed["semantics"]
    assert (recorded["path"], recorded["sha256"]) == (used.path, used.sha256)
    assert config == before
    said = [
        record.getMessage() for record in caplog.records if "classes have a vector" in record.msg
    ]
    if "pretrain=sun" not in options:
        assert not said
        return
    assert len(said) == 1 and "sun397: 395 of 397 classes have a vector" in said[0]
    assert "barndoor" in said[0] and "thriftshop" in said[0]
    (stage,) = (tmp_path / "run" / "pretrain").iterdir()
    source = json.loads((stage / "metrics.json").read_text())["source"]
    assert source["without_vector"] == ["/b/barndoor", "/t/thriftshop"]
    assert json.loads((stage / "protocol.json").read_text())["vectors"]["file"] == FILE


@pytest.mark.slow
def test_the_frozen_baseline_starts_training(job, tmp_path):
    from torchvision.models.video import r2plus1d_18

    file = tmp_path / "cache" / "weights" / "r2plus1d_18-91a641e6.pth"
    file.parent.mkdir(parents=True)
    torch.save(r2plus1d_18(weights=None).state_dict(), file)
    config = job("protocol=664", "method=baseline", "method.cached_clips=null", *SMALL)
    assert job.run(config).global_step == 1


PRESETS = ["table1", "table2", "table3", "fig1", "fig4_classes", "fig4_samples", "fig5", "fig6"]


@pytest.mark.slow
@pytest.mark.parametrize("preset", [*PRESETS, "fig7"])
def test_every_cell_of_every_preset_has_its_words(preset, job, data):
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import HydraContext
    from hydra.utils import instantiate

    typed = [f"experiments={preset}", "seed=0"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", typed, return_hydra_config=True)
        sweeper = instantiate(composed.hydra.sweeper, _recursive_=False)
        sweeper.config = composed
        sweeper.hydra_context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks())
        asked = sweeper.options(typed)
    sizes = ("subset.classes=", "subset.samples=", "subset.clusters=", "clips.test_clips=")
    kinds = {tuple(o for o in options if not o.startswith(sizes)): options for options in asked}
    for options in kinds.values():
        config = job(*options)
        before = job_hash(config)
        experiment = Experiment.of(config)
        experiment = experiment.using(settle(experiment))
        assert experiment.semantics.path == str(data / FILE)
        assert job_hash(experiment.config) == before


def test_a_name_goes_without_a_word_that_googlenews_has_not(data, tmp_path):
    found = WordVectors(str(data / FILE), str(tmp_path))
    kinetics = found.of(class_names("kinetics700"), "kinetics700", "kinetics700")
    ucf = found.of(class_names("ucf101"), "ucf101", "ucf101")
    assert not kinetics.unknown and kinetics.coverage()["replaced"] == {"person's": []}
    row = kinetics.matrix[kinetics.names.index("massaging person's head")]
    assert np.allclose(row, ucf.matrix[ucf.names.index("HeadMassage")])
    for rules in ("drop", "fallback"):
        other = WordVectors(str(data / FILE), str(tmp_path), oov=rules)
        assert len(other.of(class_names("sun397"), "s", "sun397").unknown) == 2 * (rules == "drop")
    own = found.of(["barndoor", "abbey"], "own", None)
    with pytest.raises(UserError, match="barndoor"):
        found.pick(own, own.names)


@pytest.mark.parametrize(
    "place",
    [
        FILE,
        f"{FILE}.gz",
        f"word2vec/{FILE}",
        f"GoogleNews/{FILE}.gz",
        "word2vec-google-news-300/word2vec-google-news-300.gz",
        "gensim",
    ],
)
def test_the_full_file_is_found(job, data, home, tmp_path, place):
    file = without_vectors(data, tmp_path / "data") / place
    if place == "gensim":
        file = home / "word2vec-google-news-300" / "word2vec-google-news-300.gz"
    content = (data / FILE).read_bytes()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    config = job("protocol=664", root=tmp_path / "data")
    assert job_hash(config) == job_hash(job("protocol=664"))
    used = settle(Claim.of(config))
    assert used.path == str(file)
    assert used.sha256 == hashlib.sha256(content).hexdigest()
    typed = job("protocol=664", f"semantics.path={data / FILE}", root=tmp_path / "data")
    assert settle(Claim.of(typed)).path == str(data / FILE)


@pytest.fixture
def served(monkeypatch, home, data, tmp_path):
    """A server with the packed file, and data sets that lack the vectors."""
    server = Server()
    content = gzip.compress((data / FILE).read_bytes())
    server.files["w.gz"] = content
    checksum = f"md5:{hashlib.md5(content).hexdigest()}"
    monkeypatch.setattr(vectors, "ITEM", Archive(server.url("w.gz"), ".", len(content), checksum))
    without_vectors(data, tmp_path / "data")
    yield server
    server.shutdown()
    server.server_close()


def test_the_full_file_is_fetched_once_and_goes_on_after_a_cut(job, served, caplog, tmp_path):
    config = job("protocol=664", root=tmp_path / "data")
    assert vectors_hash(config) == vectors.ITEM.checksum and not served.asked
    served.cut = 2
    with caplog.at_level(logging.INFO):
        used = settle(Claim.of(config))
    assert any("fetching the full GoogleNews" in record.getMessage() for record in caplog.records)
    assert used.path == str(tmp_path / "data" / "word2vec" / "w.gz")
    assert [bool(asked) for asked in served.asked] == [False, True, True]
    settle(Claim.of(job("protocol=664", root=tmp_path / "data")))
    assert len(served.asked) == 3


def test_nothing_is_fetched_before_the_data_are_there(job, served, tmp_path):
    (tmp_path / "data" / "hmdb51").unlink()
    config = job("protocol=664", root=tmp_path / "data")
    fetch_early(config)
    with pytest.raises(UserError, match=r"hmdb51 is not at .*target\.hmdb51\.root"):
        settle(Claim.of(config))
    assert not served.asked


@pytest.mark.parametrize("fault", ["checksum", "unreachable", "gone", "other"])
def test_a_fetch_that_fails_names_what_to_do(job, served, monkeypatch, tmp_path, fault):
    item = vectors.ITEM
    if fault == "checksum":
        monkeypatch.setattr(vectors, "ITEM", Archive(item.url, ".", item.size, "md5:" + "0" * 32))
    if fault == "unreachable":
        monkeypatch.setattr(vectors, "ITEM", Archive("http://127.0.0.1:9/w.gz", size=item.size))
    if fault == "gone":
        served.files.clear()
    if fault == "other":
        served.files["w.gz"] += b"more"
    with pytest.raises(UserError) as error:
        settle(Claim.of(job("protocol=664", root=tmp_path / "data")))
    for word in ("full GoogleNews word vectors", str(tmp_path / "data"), FILE, "semantics.path"):
        assert word in str(error.value)
    assert not list((tmp_path / "data" / "word2vec").glob("*.gz"))


def own_folder(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "0.avi").write_bytes(b"never read")
    return folder


@pytest.mark.slow
def test_what_each_choice_of_data_uses(job, tmp_path):
    def choice(*options):
        return vectors.choice(Claim.of(job(*options)))

    assert choice("protocol=605") == choice("protocol=664", "pretrain=sun") == "googlenews"
    assert choice("experiments=demo") == EMBEDDED
    assert choice("experiments=demo", "pretrain=stills") == EMBEDDED
    assert choice("experiments=table3", "scale=demo") == EMBEDDED
    assert choice("source=synthetic", "target=[synthetic]") == EMBEDDED
    known = own_folder(tmp_path / "known", "jumping", "red square")
    strange = own_folder(tmp_path / "strange", "red", "zorbing")
    csv = tmp_path / "own.csv"
    csv.write_text("path,class\na.avi,zorbing\n")
    own = ["source=folder", "protocol=targets", f"source.root={known}"]
    for target, used in (
        (["target=[folder]", f"target.folder.root={known}"], EMBEDDED),
        (["target=[folder]", f"target.folder.root={strange}"], "googlenews"),
        (["target=[csv]", f"target.csv.root={csv}"], "googlenews"),
        (["target=[ucf101]"], "googlenews"),
    ):
        assert choice(*own, *target) == used
    small = Claim.of(job("protocol=605", "semantics=word2vec_small"))
    assert vectors.choice(small) == EMBEDDED and small.semantics.oov == "error"
    assert choice("protocol=605", "semantics=googlenews") == "googlenews"
    # a network is tested with the vectors that it was trained with
    folder = ["target=[folder]", f"target.folder.root={strange}"]
    demo, tested = ["experiments=demo"], [*own, *folder]
    for options, file, used in ((tested, EMBEDDED, EMBEDDED), (demo, FILE, "googlenews")):
        claim = Claim.of(job(*options, cli="evaluate"))
        assert vectors.choice(claim, ("target",), {"vectors": {"file": file}}) == used


def test_missing_words_stop_a_run_before_videos_are_listed(job, monkeypatch):
    def listing(self):
        raise AssertionError("videos were listed")

    monkeypatch.setattr(VideoDataModule, "__init__", listing)
    config = job("protocol=605", "semantics=word2vec_small", *SMALL)
    with pytest.raises(UserError, match=r"20 of 101 class names of ucf101.*semantics=googlenews"):
        train(config)


def test_a_job_is_known_by_its_vectors(job, data, tmp_path):
    copies = [tmp_path / name for name in ("a.bin", "b.bin")]
    for file, start in zip(copies, (b"", b"x"), strict=True):
        file.write_bytes((data / FILE).read_bytes() + start)
    one, other = (job("protocol=664", f"semantics.path={file}") for file in copies)
    assert job_hash(one) == job_hash(job("protocol=664")) != job_hash(other)
    assert job_hash(job("protocol=664", "semantics=word2vec_small")) != job_hash(one)
    # a finished job counts with the vectors of its record, whatever lies there now
    (tmp_path / "done" / ".hydra").mkdir(parents=True)
    OmegaConf.save(one, tmp_path / "done" / ".hydra" / "config.yaml")
    (tmp_path / "done" / "metrics.json").write_text("{}")
    record = {"vectors": {"sha256": vectors_hash(one)}}
    (tmp_path / "done" / "protocol.json").write_text(json.dumps(record))
    before = job_hash(one)
    assert is_finished(tmp_path / "done", before)
    copies[0].write_bytes(copies[1].read_bytes())
    assert job_hash(one) == job_hash(other) and is_finished(tmp_path / "done", before)
    assert not is_finished(tmp_path / "done", job_hash(one))


@pytest.mark.slow
def test_a_run_is_not_continued_with_other_vectors(job, data, tmp_path):
    options = ["protocol=664", "target=[hmdb51]", "model=tiny", "resume=auto", *SMALL]
    file = tmp_path / "v.bin"
    file.write_bytes((data / FILE).read_bytes())
    typed = f"semantics.path={file}"
    job.run(job(*options, typed))
    job.run(job(*options, typed, "trainer.max_steps=2"))
    moved = file.rename(tmp_path / "moved.bin")
    job.run(job(*options, f"semantics.path={moved}", "trainer.max_steps=3"))
    file.write_bytes(moved.read_bytes() + b"x")
    with pytest.raises(UserError, match=r"other options \(semantics\.sha256: \w+ -> \w+\)"):
        job.run(job(*options, typed, "trainer.max_steps=4"))


@pytest.mark.slow
def test_a_dry_run_says_what_is_fetched_and_what_is_missing(job, data, tmp_path):
    def said(*options, root=tmp_path / "no"):
        jobs = [job(f"protocol={name}", *options, root=root) for name in ("605", "664")]
        return planned(jobs)

    (line,) = said()
    assert f"not under {tmp_path}/no: 1.7 GB will be fetched from http" in line
    assert said(root=data) == [f"word vectors: {data / FILE}"]
    small = said("semantics=word2vec_small")
    assert sum(line.startswith("MISSING: 20 of 101 class names of ucf101") for line in small) == 1
    for text in ("YoYo (yoyo)", "7 of 51 class names of hmdb51", "class names of kinetics700"):
        assert any(text in line for line in small)
    assert said("semantics.path=nowhere.bin") == [
        "word vectors: no file at nowhere.bin (semantics.path)"
    ]
    own = ["source=folder", f"source.root={tmp_path}/no", "target=[folder]", "target.folder.root=a"]
    (line,) = said(*own)
    assert f"unknown yet: folder is not at {tmp_path}/no (source.root)" in line
    assert not (tmp_path / "no").exists() and not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_a_dry_run_of_a_sweep_prints_it(cli, tmp_path):
    dry = ["-m", "--dry-run", "experiments=table3", f"hydra.sweep.dir={tmp_path}/sweep"]
    said = finished(cli("train", *dry, GENSIM_DATA_DIR=str(tmp_path)))
    assert "the full GoogleNews file is not under" in said and "1.7 GB will be fetched" in said


@pytest.mark.slow
def test_a_sweep_fetches_before_its_jobs_start(cli, data, tmp_path):
    """Here without a network: one line, and nothing was started."""
    without_vectors(data, tmp_path / "data")
    lines = fails(
        cli(
            "train",
            "-m",
            "protocol=664",
            "seed=0,1",
            f"hydra.sweep.dir={tmp_path}/sweep",
            GENSIM_DATA_DIR=str(tmp_path),
            HTTPS_PROXY="http://127.0.0.1:9",
        ),
        "full GoogleNews word vectors",
        FILE,
        "semantics.path",
    )
    assert len(lines) == 1 and not (tmp_path / "sweep").exists()


def test_the_audit_says_which_vectors(job, data, home, caplog, tmp_path):
    offline = job("protocol=605", root=tmp_path, cli="audit")
    assert settle_names(Claim.of(offline)).path.endswith(EMBEDDED)
    assert "audited with the embedded subset" in caplog.text and "1.7 GB" in caplog.text
    online = job("protocol=605", cli="audit")
    assert settle_names(Claim.of(online)).path == str(data / FILE)
    with pytest.raises(UserError, match=r"cannot be fetched.*semantics\.path=FILE"):
        asked = job("protocol=605", "semantics=googlenews", root=tmp_path, cli="audit")
        settle_names(Claim.of(asked))
