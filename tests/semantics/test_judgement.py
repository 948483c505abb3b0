"""The audit beside the judgement of others."""

import pytest

from helpers.commands import finished, read
from zsvideo.errors import UserError
from zsvideo.semantics.audit import audit
from zsvideo.semantics.judgement import agreement, compare_judgement, judgement_remarks
from zsvideo.semantics.protocol import Protocol
from zsvideo.semantics.vectors import embedded
from zsvideo.semantics.words import class_names


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    vectors = embedded(cache=str(tmp_path_factory.mktemp("cache")), oov="drop")
    source, *targets = [
        vectors.of(class_names(name), name, name) for name in ("kinetics400", "ucf101", "hmdb51")
    ]
    protocol = Protocol("p", "tau", 0.05, False, ["targets"])
    tested = {classes.dataset: classes for classes in targets}
    audited = audit(protocol, {"source": source}, tested, vectors)["training"]
    return {"source": source}, targets, audited


def test_the_verdicts_beside_the_lists_of_xov_action(sets):
    ucf, hmdb = compare_judgement("xov_action.tsv", *sets)
    assert (ucf["classes"], ucf["covered"]) == (101, 50)
    assert (hmdb["classes"], hmdb["covered"]) == (51, 33)
    same = ucf["calls"]["duplicate"]
    assert same["agree"] == 94 and same["kappa"] == pytest.approx(0.861, abs=5e-4)
    assert same["only_list"] == ["Kayaking", "Swing"]
    assert same["only_audit"] == [
        "FloorGymnastics",
        "GolfSwing",
        "JumpRope",
        "Skijet",
        "TrampolineJumping",
    ]
    assert ucf["calls"]["duplicate or contained"]["only_list"] == []
    assert hmdb["calls"]["duplicate"]["agree"] == 33
    assert hmdb["calls"]["duplicate"]["kappa"] == pytest.approx(0.343, abs=5e-4)
    either = hmdb["calls"]["duplicate or contained"]
    assert either["only_list"] == [] and len(either["only_audit"]) == 9
    assert "kappa 0.861; only the list has Kayaking, Swing" in judgement_remarks([ucf])[1]


def test_kappa_is_that_of_cohen(sets):
    _, (ucf, _), _ = sets
    names = ucf.names
    call = agreement(ucf, {*names[:50]}, {*names[40:60]})  # 10 both, 40 and 10 alone, 41 neither
    assert call["agree"] == 51
    chance = (50 * 20 + 51 * 81) / 101**2
    assert call["kappa"] == pytest.approx((51 / 101 - chance) / (1 - chance))


def test_a_list_of_other_data_is_refused(sets, tmp_path):
    training, targets, audited = sets
    table = "dataset\tname\ttrained_on\nucf101\tArchery\tkinetics700\n"
    (tmp_path / "other.tsv").write_text(table)
    with pytest.raises(UserError, match="judges ucf101 after kinetics700, which is not what is"):
        compare_judgement(str(tmp_path / "other.tsv"), training, targets, audited)
    with pytest.raises(UserError, match=r"judged=.*none\.txt cannot be read"):
        compare_judgement(str(tmp_path / "none.txt"), training, targets, audited)
    (tmp_path / "own.txt").write_text("Archery\nBiking\n")
    (row,) = compare_judgement(str(tmp_path / "own.txt"), training, targets[:1], audited)
    assert row["covered"] == 2 and row["calls"]["duplicate"]["only_list"] == []


@pytest.mark.slow
def test_the_command_compares_them(cli, tmp_path):
    options = ["source=kinetics400", "protocol=664", "semantics=word2vec_small"]
    said = finished(
        cli("audit", *options, "judged=xov_action.tsv", f"hydra.run.dir={tmp_path}/audit")
    )
    assert "ucf101, duplicate: 94 of 101 alike, kappa 0.861" in said
    assert len(read(tmp_path / "audit", "audit.json")["judged"]) == 2
