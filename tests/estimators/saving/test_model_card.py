import pandas as pd
from sklearn.linear_model import LogisticRegression

from brainograph.estimators.prediction.training_summary import TrainingSummary
from brainograph.estimators.saving.model_card import write_model_card


def card(tmp_path, **given):
    summary = TrainingSummary(
        9, {"0": 4, "1": 5}, {"age": (8.0, 40.0)}, {"site": ["a|b", "<script>"]}, {"layout": "cpac"}
    )
    facts = {"title": "A study", "target": "diagnosis", "summary": summary} | given
    return write_model_card(tmp_path, LogisticRegression(), **facts).read_text()


def test_what_users_named_cannot_become_markup(tmp_path):
    text = card(tmp_path, title="A <b>study</b>", target="dx | more")
    assert "a\\|b, &lt;script>" in text
    assert "| predicts | dx \\| more |" in text
    assert "<b>" not in text


def test_ranges_are_in_words(tmp_path):
    text = card(tmp_path)
    assert "| age | 8 to 40 years |" in text
    assert "| of each class | 0: 4, 1: 5 |" in text
    assert "It learnt from 2 sites." in text
    assert "Not measured here" in text


def test_only_metrics_of_the_card_are_stated(tmp_path):
    row = {"model": "m", "regime": "inductive", "value": 0.7, "low": 0.6, "high": 0.8}
    scores = pd.DataFrame([row | {"metric": "auc"}, row | {"metric": "auc_folds"}])
    text = card(tmp_path, scores=scores, scheme="10 folds")
    assert text.count("| m | inductive |") == 1
    assert "| m | inductive | auc | 0.700 | 0.600 to 0.800 |" in text
    assert "(10 folds)" in text
