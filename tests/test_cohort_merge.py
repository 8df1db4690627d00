import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.cohort_merge import merge


def make(ids, n_regions, **columns):
    """Return a cohort whose measure is the number in the participant's name."""
    values = np.array([[float(name[-1])] * n_regions for name in ids])
    return Cohort(
        pd.DataFrame(columns, index=ids),
        pd.DataFrame(index=[f"r{i}" for i in range(n_regions)]),
        measures={"area": values},
    )


def test_the_first_is_the_main_one_and_the_others_are_sorted_like_it():
    merged = merge(
        {
            "ho": make(["s3", "s1", "s2"], 2, age=[30, 10, 20]),
            "cc": make(["s1", "s2", "s3"], 4, age=[10.0, 20.0, 30.0], iq=[101, 102, 103]),
        }
    )
    assert merged.participant_ids == ["s3", "s1", "s2"]
    assert merged.n_regions == 2
    assert merged.parcellations["cc"].measures["area"][:, 3].tolist() == [3, 1, 2]
    assert merged.phenotype.to_dict("list") == {"age": [30, 10, 20], "iq": [103, 101, 102]}
    assert merged.parcellations["cc"].phenotype["age"].tolist() == [30, 10, 20]
    assert len(merged.failures) == 0


def test_who_is_not_in_all_is_dropped_and_said():
    cc = make(["s2", "s1", "s4"], 1).assign(
        failures=pd.DataFrame({"participant_id": ["s3"], "source": ["x.1D"], "reason": ["torn"]})
    )
    cohorts = {"ho": make(["s1", "s2", "s3"], 1), "cc": cc}
    said = "2 participants are not in all cohorts: 1 not in ho, 1 not in cc"
    with pytest.warns(UserWarning, match=f"{said}. 2 are kept"):
        merged = merge(cohorts)
    assert merged.participant_ids == ["s1", "s2"]
    assert merged.parcellations["cc"].measures["area"].ravel().tolist() == [1, 2]
    assert merged.failures.to_numpy().tolist() == [
        ["s4", "ho", "not in ho"],
        ["s3", "cc", "not in cc: torn"],
    ]
    with pytest.raises(
        ValueError, match=f"{said}. Write participants='shared' to keep the other 2"
    ):
        merge(cohorts, participants="identical")


def test_a_third_cohort_joins_those_that_were_merged():
    first = merge({"ho": make(["s1", "s2"], 1), "cc": make(["s1", "s2"], 2)})
    with pytest.warns(UserWarning, match="1 not in aparc"):
        merged = merge({"both": first, "aparc": make(["s2"], 3)})
    assert {name: one.shape for name, one in merged.parcellations.items()} == {
        "cc": (1, 2),
        "aparc": (1, 3),
    }
    with pytest.raises(ValueError, match=r"both has parcellations \['cc'\] already"):
        merge({"both": first, "cc": make(["s1", "s2"], 2)})


def test_phenotypes_agree_or_are_refused():
    ids = ["s1", "s2"]
    filled = merge({"a": make(ids, 1, sex=["M", None]), "b": make(ids, 1, sex=["M", "F"])})
    assert filled.phenotype["sex"].tolist() == ["M", "F"]
    with pytest.raises(ValueError, match=r"'age' of b differs for 1 .*s2 has 20 and there 21"):
        merge({"a": make(ids, 1, age=[10, 20]), "b": make(ids, 1, age=[10, 21])})
    with pytest.raises(ValueError, match=r"'sex' of b differs .*drop\(columns='sex'\)"):
        merge({"a": make(ids, 1, sex=["M", "F"]), "b": make(ids, 1, sex=["M", "M"])})


def test_nothing_in_common_shows_the_names():
    with pytest.raises(ValueError, match=r"no participant is in all.*'a': \['s1'\], 'b': \['x9'\]"):
        merge({"a": make(["s1"], 1), "b": make(["x9"], 1)})
    with pytest.raises(ValueError, match="two cohorts or more"):
        merge({"a": make(["s1"], 1)})
    with pytest.raises(ValueError, match=r"participants must be one of .*'shared'.*got 'all'"):
        merge({"a": make(["s1"], 1), "b": make(["s1"], 1)}, participants="all")
