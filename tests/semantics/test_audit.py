"""The audit of names as a whole."""

import numpy as np
import pytest

from zsvideo.reporting.audit.figures import tau_lines
from zsvideo.reporting.audit.report import audit_remarks
from zsvideo.semantics.audit import audit
from zsvideo.semantics.protocol import Protocol
from zsvideo.semantics.vectors import WordVectors, embedded
from zsvideo.semantics.words import class_names


def audited(vectors, keep_out, training=("kinetics700",), rule="tau"):
    protocol = Protocol("p", rule, 0.05, False, keep_out, {"kinetics700": 664})
    roles = dict(zip(("source", "pretrain"), training, strict=False))
    return audit(
        protocol,
        {role: vectors.of(class_names(t), t, t) for role, t in roles.items()},
        {t: vectors.of(class_names(t), t, t) for t in keep_out},
        vectors,
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    vectors = embedded(cache=str(tmp_path_factory.mktemp("cache")))
    return audited(vectors, ["ucf101", "hmdb51"], ("kinetics700", "kinetics400"))


@pytest.mark.slow
def test_pretraining_on_kinetics400_shares_37_classes(found):
    counts = found["training"]["pretrain"]["counts"]
    assert (counts["classes"], counts["identical"]) == (400, 37)


@pytest.mark.slow
def test_survivors_are_graded_and_counted(found):
    source = found["training"]["source"]
    rows = {row["name"]: row for row in source["classes"]}
    assert len(rows) == 700
    for name in ("riding a bike", "push up", "fencing (sport)", "shot put"):
        assert rows[name]["kept"] and rows[name]["grade"] == "duplicate"
    assert rows["playing clarinet"]["grade"] == "sibling"
    assert rows["archery"]["reason"].startswith("distance 0.0000")
    kept = [row for row in source["classes"] if row["kept"]]
    for grade, count in source["survivors"].items():
        assert count == sum(row["grade"] == grade for row in kept)
    distances = [row["distance"] for row in source["classes"] if row["distance"] is not None]
    assert distances == sorted(distances)
    assert 0.5 < source["agreement"]["classes"]["recall"] < 1


def test_strictness_falls_from_all_classes(found):
    curve = found["training"]["source"]["strictness"]
    assert (curve["tau"][0], curve["tau"][-1], curve["kept"][0]) == (0, 0.3, 700)
    assert curve["kept"] == sorted(curve["kept"], reverse=True)
    rules = curve["rules"]
    assert rules["none"] == 700 and rules["identical words"] == 664
    assert rules["audited"] < rules["audited, duplicates"] < rules["identical words, fixed"] < 664
    assert curve["kept"][curve["tau"].index(0.05)] == rules["distance < 0.05"] == 662


@pytest.mark.slow
def test_map_has_the_groups_of_fig_2_and_is_always_the_same(found, tmp_path):
    groups = {}
    for point in found["map"]:
        key = (point["dataset"], point["group"])
        groups[key] = groups.get(key, 0) + 1
        assert np.isfinite((point["x"], point["y"])).all()
    covered = {d: c["covered"] for d, c in found["coverage"].items()}
    assert groups[("ucf101", "target")] == covered["ucf101"]
    assert groups[("kinetics700", "kept")] + groups[("kinetics700", "removed")] == covered["source"]
    again = audited(embedded(cache=str(tmp_path)), ["ucf101"])
    assert audited(embedded(cache=str(tmp_path)), ["ucf101"])["map"] == again["map"]


@pytest.mark.slow
def test_inside_has_a_tau_of_each_target(tmp_path):
    found = audited(embedded(cache=str(tmp_path)), ["ucf101", "hmdb51"], rule="inside")
    taus = found["protocol"]["taus"]
    assert [taus[name]["tau"] for name in ("ucf101", "hmdb51")] == pytest.approx(
        [0.0481, 0.1664], abs=1e-4
    )
    counts = found["training"]["source"]["strictness"]["rules"]
    assert counts["inside"] == found["training"]["source"]["counts"]["kept"] == 658
    first, second, *_ = audit_remarks(found)
    assert first == "ucf101: tau 0.0481, the distance of PlayingCello and PlayingViolin"
    assert second.startswith("hmdb51: tau 0.1664, the distance of kick and kick_ball")
    assert list(tau_lines(found["protocol"])) == [
        "tau of ucf101 = 0.0481",
        "tau of hmdb51 = 0.1664",
    ]
    taus["hmdb51"]["same"] = [("a", "b")]
    assert audit_remarks(found)[1].endswith("; pairs at distance 0 make no tau: a = b")


@pytest.mark.slow
def test_real_vectors(shared, tmp_path):
    file = str(shared / "reference" / "googlenews_subset.bin")
    found = audited(WordVectors(file, str(tmp_path)), ["ucf101", "hmdb51"])
    source = found["training"]["source"]
    assert source["counts"]["kept"] == 662
    border = {row["name"]: row["distance"] for row in source["borderline"]["removed"]}
    assert border == {
        "throwing discus": pytest.approx(0.0425, abs=5e-5),
        "canoeing or kayaking": pytest.approx(0.0469, abs=5e-5),
    }
    assert found["coverage"]["source"]["covered"] == 551
