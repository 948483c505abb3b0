"""A trained model behind the protocol of mteb's encoders."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import zsvideo
from helpers.models import trained_run
from helpers.videos import smooth, write_video
from zsvideo.errors import UserError
from zsvideo.prediction.mteb import MtebModel


class Rows:
    """As `datasets.Dataset`, of one column."""

    def __init__(self, **columns):
        self.columns, self.features = columns, dict.fromkeys(columns)

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.columns[key]
        return {name: values[key] for name, values in self.columns.items()}

    def cast_column(self, name, feature):
        assert (name, feature.decode) == ("video", False)
        return self


def loader(**columns):
    return SimpleNamespace(dataset=Rows(**columns))


@pytest.fixture
def run(tmp_path, monkeypatch):
    library = SimpleNamespace(Video=lambda decode: SimpleNamespace(decode=decode))
    monkeypatch.setitem(sys.modules, "datasets", library)
    return trained_run(tmp_path / "run")


@pytest.fixture
def model(run, tmp_path):
    return MtebModel(run, device="cpu", cache=tmp_path / "cache", workers=0)


def test_videos_and_candidates_are_those_of_the_model(model, run, tmp_path, monkeypatch):
    monkeypatch.setattr("zsvideo.prediction.mteb.GROUP", 2)
    files = [tmp_path / f"{n}.mp4" for n in range(3)]
    for n, file in enumerate(files):
        write_video(file, smooth(20) + 30 * np.uint8(n))
    stored = [{"path": str(files[0]), "bytes": None}]
    stored += [{"path": None, "bytes": file.read_bytes()} for file in files[1:]]
    embeddings = model.encode(loader(video=stored), task_metadata=None)
    own = zsvideo.load(run, device="cpu", cache=tmp_path / "cache")
    alone = np.stack([own.embed(file) for file in files])  # in batches of another size
    np.testing.assert_allclose(embeddings, alone, atol=1e-6)
    names = ["sing", "pour tea", "climb ladder"]
    texts = [f"a video of {name}" for name in names]
    vectors = model.encode(loader(text=texts), task_metadata=None, batch_size=7)
    assert np.array_equal(vectors, own.candidates(names).bank.vectors)
    scores = model.similarity(embeddings, vectors)
    best = [names[row] for row in scores.argmax(axis=1)]
    assert best == [a.top[0].name for a in own.predict([*map(str, files)], names)]
    assert np.array_equal(model.similarity_pairwise(embeddings, vectors), np.diag(scores))


def test_what_it_cannot_take_is_told(model, run, tmp_path):
    for columns, words in (
        ({"video": [], "audio": []}, "audio, video"),
        ({"image": []}, "has image"),
        ({"text": ["a photo of tea"]}, "is not worded by template='a video of {}'"),
        ({"text": ["a video of qqq"]}, "qqq"),
        ({"text": ["a video of tea", "a video of tea"]}, "twice|same"),
    ):
        with pytest.raises(UserError, match=words):
            model.encode(loader(**columns))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match="video 0 of the task cannot be read"):
        model.encode(loader(video=[{"path": str(tmp_path / "broken.mp4"), "bytes": None}]))
    for options in ({"revision": "main"}, {"template": "a video"}, {"oov": "drop"}):
        with pytest.raises(UserError, match="give no revision"):
            MtebModel(run, device="cpu", **options)


def test_mteb_takes_it(model):
    """With mteb itself, where it is installed."""
    mteb = pytest.importorskip("mteb")
    assert isinstance(model, mteb.models.EncoderProtocol)
    assert model.mteb_model_meta.revision == model.model.facts.sha256[:12]
