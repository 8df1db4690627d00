"""What a results folder holds."""

import hashlib
import json

import pandas as pd
import pytest

from brainograph.files import write_tsv
from brainograph.report.contents import read_contents


def predictions(models):
    rows = {"participant_id": ["007", "008"], "site": ["1", "2"], "regime": "inductive"}
    rows |= {"repeat": 0, "fold": 0, "y_true": [0, 1], "y_score": [0.2, 0.7]}
    return pd.concat([pd.DataFrame(rows | {"model": model}) for model in models])


def test_main_model_comes_first_and_names_stay_text(tmp_path):
    write_tsv(predictions(["motion", "gcn", "other"]), tmp_path / "predictions.tsv")
    text = json.dumps({"main": "gcn", "models": ["gcn", "other"]})
    (tmp_path / "provenance.json").write_text(text, encoding="utf-8")
    contents = read_contents(tmp_path)
    assert contents.main == "gcn"
    assert list(contents.predictions["model"].unique()) == ["gcn", "other", "motion"]
    assert contents.predictions["participant_id"].tolist()[:2] == ["007", "008"]
    assert contents.predictions["site"].tolist()[:2] == ["1", "2"]
    raw = (tmp_path / "predictions.tsv").read_bytes()
    assert contents.hashes["predictions.tsv"] == hashlib.sha256(raw).hexdigest()


def test_a_main_model_without_predictions_is_noted(tmp_path):
    write_tsv(predictions(["gcn"]), tmp_path / "predictions.tsv")
    (tmp_path / "provenance.json").write_text('{"main": "gnc"}', encoding="utf-8")
    contents = read_contents(tmp_path)
    assert contents.main == "gcn"
    assert "The main model 'gnc' has no predictions; 'gcn' is shown." in contents.notes


def test_a_provenance_that_is_no_object_is_noted(tmp_path):
    write_tsv(predictions(["gcn"]), tmp_path / "predictions.tsv")
    (tmp_path / "provenance.json").write_text("[1]", encoding="utf-8")
    contents = read_contents(tmp_path)
    assert contents.provenance == {}
    assert "provenance.json could not be read (it holds no object)." in contents.notes


def test_participants_who_are_others_are_noted(tmp_path):
    write_tsv(predictions(["gcn"]), tmp_path / "predictions.tsv")
    others = pd.DataFrame({"participant_id": ["x"], "age": [20.0]})
    write_tsv(others, tmp_path / "participants.tsv")
    contents = read_contents(tmp_path)
    assert contents.participants is None
    assert "participants.tsv names nobody who was predicted, and is not used." in contents.notes


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("provenance.json", '{"main": ["a"]}', "The main model"),
        ("config.yaml", "a: [", "config.yaml could not be read"),
        ("config.yaml", "- 1", "config.yaml could not be read (it holds no object)."),
        ("audit.tsv", "check\nx\n", "audit.tsv could not be read (it has no column status, mess"),
        ("search.tsv", "value\nx\n", "search.tsv could not be read (it has no column model, "),
        ("explanations/a.tsv", "region\timportance\na\tmuch\n", "explanations/a.tsv could not be"),
    ],
)
def test_what_cannot_be_read_is_noted(tmp_path, name, text, words):
    write_tsv(predictions(["gcn"]), tmp_path / "predictions.tsv")
    (tmp_path / "explanations").mkdir()
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert any(words in note for note in read_contents(tmp_path).notes)


def test_predictions_that_are_no_table_say_what_to_type(tmp_path):
    (tmp_path / "predictions.tsv").write_bytes(b"\xff\xfe\x00\n")
    with pytest.raises(ValueError, match=r"could not be read .* run `brainograph crossval CONFIG"):
        read_contents(tmp_path)
