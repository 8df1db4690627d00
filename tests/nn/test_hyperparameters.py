import pytest

from brainograph.nn import BrainGCN
from brainograph.nn.hyperparameters import check_parameters


def test_what_is_given_is_not_the_users():
    check_parameters(BrainGCN, {"conv": "gat"}, given=("n_regions", "n_classes"))
    with pytest.raises(ValueError, match=r"no parameter \['n_regions'\]; it has \['edges'"):
        check_parameters(BrainGCN, {"n_regions": 3}, given=2)
