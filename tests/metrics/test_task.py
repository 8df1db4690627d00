"""The columns say what was predicted."""

import pytest

from brainograph.metrics.task import read


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"y_score": [0.1, 0.8, 0.3]}, "binary"),
        ({"p_0": [1, 0, 0], "p_1": [0, 1, 0], "p_2": [0, 0, 1]}, "multiclass"),
        ({"y_pred": [3.0, 1.0, 2.0]}, "regression"),
    ],
)
def test_the_columns_choose(table, columns, name):
    task, checked, values = read(table([0, 1, 0], **columns))
    assert task.name == name
    assert len(checked) == len(values) == 3


def test_mixtures_and_nothing_are_explained(table):
    both = table([0, 1], [0.1, 0.8], y_pred=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"either y_score .* got \['y_score', 'y_pred'\]"):
        read(both)
    with pytest.raises(ValueError, match=r"got \['participant_id', 'y_true'"):
        read(both.drop(columns=["y_score", "y_pred"]))
