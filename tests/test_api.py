"""The project from Python, as README shows it."""

import re

import pytest

import zsvideo
from zsvideo.data import zeroshot
from zsvideo.errors import UserError
from zsvideo.evaluation import predictions
from zsvideo.resources import ROOT

SMALL = [
    "source.videos=2",
    "target.synthetic.videos=1",
    "seen.videos=1",
    "clips.test_clips=1",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "loader.workers=0",
    "resamples=20",
]


@pytest.mark.slow
def test_the_snippet_of_the_readme(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    snippets = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    (snippet,) = (text for text in snippets if "zsvideo.train" in text)
    calls = []
    for place, name in ((zeroshot, "record_targets"), (predictions, "cosine_scores")):
        work = getattr(place, name)
        monkeypatch.setattr(
            place, name, lambda *a, name=name, work=work: calls.append(name) or work(*a)
        )
    assert '"seed=1"' in snippet and len(snippet.split("\n")) <= 8
    exec(snippet.replace('"seed=1"', ", ".join(map(repr, SMALL))), {})
    assert re.search(r"^synthetic \d+\.\d+$", capsys.readouterr().out, re.M)
    assert (tmp_path / "runs" / "first" / "metrics.json").is_file()
    assert sorted(calls) == ["cosine_scores", "record_targets"]  # each once, from npz to table


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("model.lr=abc", r"model\.lr=abc must be a number"),
        ("model.nope=1", r"no option model\.nope"),
        ("protocol=700", "protocol=.*700.* is unknown; allowed: .*605"),
        ("loader.micro_batch=2", "accumulate_grad_batches"),
    ],
)
def test_a_wrong_option_is_a_user_error(tmp_path, option, words):
    with pytest.raises(UserError, match=words):
        zsvideo.compose("experiments=demo", option, run=tmp_path)
