import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from brainograph.cohort import Cohort
from brainograph.estimators import SubjectGraphClassifier, Training
from brainograph.estimators.subject.data import SubjectData
from brainograph.estimators.subject.presence import check_learnt, find_present

READS = ("series", "connectivity/fc", "measures/thickness")


@pytest.fixture
def cohort(rng):
    """b lacks series, c connectivity, d both and thickness is what e lacks."""
    fc = rng.normal(size=(5, 3, 3))
    fc[2:4] = np.nan
    thickness = rng.normal(size=(5, 3))
    thickness[4] = np.nan
    lengths = [9, 0, 7, 0, 8]
    return Cohort(
        pd.DataFrame({"site": ["x"] * 5}, index=list("abcde")),
        pd.DataFrame(index=["r1", "r2", "r3"]),
        timeseries=[rng.normal(size=(n, 3)) for n in lengths],
        connectivity={"fc": fc},
        measures={"thickness": thickness},
    )


class Either(nn.Module):
    """Linear in the matrices and the measures that are there."""

    reads = ("connectivity/fc", "measures/thickness")
    missing_ok = True

    def __init__(self, n_regions, n_classes):
        super().__init__()
        self.fc = nn.Linear(n_regions**2, n_classes)
        self.measures = nn.Linear(n_regions, n_classes)

    def forward(self, batch):
        parts = {
            "connectivity/fc": self.fc(batch.connectivity["fc"].flatten(1)),
            "measures/thickness": self.measures(batch.measures["thickness"]),
        }
        return sum(batch.has(name)[:, None] * logits for name, logits in parts.items())


def test_rows_of_nan_and_series_without_a_volume_are_absent(cohort):
    present = find_present(cohort, READS, missing_ok=True)
    assert {name: one.tolist() for name, one in present.items()} == {
        "series": [True, False, True, False, True],
        "connectivity/fc": [True, True, False, False, True],
        "measures/thickness": [True, True, True, True, False],
    }


def test_a_row_that_only_begins_with_nan_is_there(cohort):
    thickness = cohort.measures["thickness"].copy()
    thickness[0, 0] = np.nan
    partly = cohort.assign(measures={"thickness": thickness})
    assert find_present(partly, READS, missing_ok=True)["measures/thickness"][0]
    data = SubjectData(partly, READS, standardize=True, missing_ok=True)
    with pytest.raises(ValueError, match="thickness of a has NaN"):
        data.batch(np.arange(2))


def test_what_is_absent_is_zeros_in_the_batch(cohort):
    data = SubjectData(cohort, READS, standardize=True, missing_ok=True, min_volumes=4)
    for kept in (False, True):
        if kept:
            data.keep_on(torch.device("cpu"))
        batch = data.batch(np.array([3, 0]))
        assert batch.has("series").tolist() == [False, True]
        assert batch.has("connectivity/fc").tolist() == [False, True]
        assert batch.lengths.tolist() == [4, 9]
        assert batch.series.shape == (2, 9, 3)
        assert (batch.series[0] == 0).all()
        assert (batch.connectivity["fc"][0] == 0).all()
        assert (batch.connectivity["fc"][1] != 0).all()
        alone = data.batch(np.array([3]))
        assert alone.series.shape == (1, 4, 3)
        assert all(torch.isfinite(tensor).all() for tensor in batch.tensors)


def test_a_network_that_needs_everything_names_who_lacks_it(cohort):
    with pytest.raises(ValueError, match=r"2 participants have no connectivity 'fc': \['c', 'd'\]"):
        SubjectData(cohort, ["connectivity/fc"], standardize=True)
    with pytest.raises(ValueError, match=r"1 participants have no measure 'thickness': \['e'\]"):
        SubjectData(cohort, ["measures/thickness"], standardize=True)
    with pytest.raises(ValueError, match=r"2 of 5 scans are shorter: .*'b': 0, 'd': 0"):
        SubjectData(cohort, ["series"], standardize=True)
    whole = SubjectData(cohort[[0]], READS, standardize=True)
    assert whole.present == {}
    assert whole.batch(np.array([0])).present == {}


def test_a_participant_without_any_modality_is_refused_by_name(cohort):
    reads = ("series", "connectivity/fc", "phenotypes")
    with pytest.raises(ValueError, match=r"1 participants have none of .*: \['d'\]"):
        find_present(cohort, reads, missing_ok=True)
    assert find_present(cohort, ("phenotypes",), missing_ok=True) == {}


def test_a_modality_that_nobody_has_cannot_be_learnt_but_can_be_absent_later(cohort):
    y = np.array([0, 1, 1, 0, 1])
    training = Training(max_epochs=2, validation_fraction=0.0)
    model = SubjectGraphClassifier(Either, training=training, device="cpu")
    without = cohort[[2, 3]]
    with pytest.raises(ValueError, match=r"nobody of the 2 participants .* has 'connectivity/fc'"):
        model.fit(without, y[[2, 3]])
    with pytest.raises(ValueError, match="nobody of the 1 participants"):
        check_learnt({"images/pet": np.array([True, False])}, np.array([1]))
    model.fit(cohort, y)
    together = model.predict_proba(cohort)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(model.predict_proba(without), together[[2, 3]], atol=1e-6)


def test_absent_is_the_same_as_never_given(cohort):
    """What a network that masks says does not depend on who else is there."""
    y = np.array([0, 1, 1, 0, 1])
    training = Training(max_epochs=3, validation_fraction=0.0)
    model = SubjectGraphClassifier(Either, training=training, device="cpu").fit(cohort, y)
    nan = cohort.assign(connectivity={"fc": np.full((5, 3, 3), np.nan)})[:4]
    only = model.predict_proba(nan)
    assert not np.allclose(only[0], model.predict_proba(cohort)[0])
    np.testing.assert_allclose(only[2], model.predict_proba(cohort)[2], atol=1e-6)


class TestPhenotypes:
    """To a network that fuses them they are a modality: who has none of them lacks it."""

    @pytest.fixture
    def people(self, cohort):
        table = {"age": [30, np.nan, 50, 60, np.nan], "sex": ["f", None, None, "m", None]}
        phenotype = cohort.phenotype.assign(**table)
        return cohort.assign(phenotype=phenotype)  # b and e have none, d has nothing else

    def test_who_has_any(self, people):
        reads = ("series", "connectivity/fc", "phenotypes")
        columns = ("age", "sex")
        present = find_present(people, reads, missing_ok=True, phenotypes=columns)
        assert present["phenotypes"].tolist() == [True, False, True, True, False]
        assert find_present(people, reads[2:], missing_ok=False, phenotypes=columns) == {}
        assert "phenotypes" not in find_present(people[[0]], reads, missing_ok=True)

    def test_what_is_absent_is_zeros(self, people):
        kept = {"standardize": True, "missing_ok": True, "phenotypes": ("age", "sex")}
        data = SubjectData(people, ["connectivity/fc", "phenotypes"], **kept)
        batch = data.with_phenotypes(np.ones((5, 2))).batch(np.arange(5))
        assert (
            batch.phenotypes[:, 0].tolist() == batch.has("phenotypes").tolist() == [1, 0, 1, 1, 0]
        )

    def test_a_fused_network_knows(self, people):
        network = {"graphs": ["BrainGCN"], "channels": 4}
        model = SubjectGraphClassifier(
            "GraphImagingNet",
            params=network,
            phenotypes=["age", "sex"],
            training=Training(max_epochs=1, validation_fraction=0.0),
            device="cpu",
        )
        model.fit(people, np.array([0, 1, 1, 0, 1]))
        shares = model.contributions(people)
        assert (shares["phenotypes"] == 0).tolist() == [False, True, False, False, True]
        assert (shares["BrainGCN"] == 0).tolist() == [False, False, True, True, False]
        nobody = people[[3]].assign(phenotype=people[[3]].phenotype.assign(age=np.nan, sex=None))
        with pytest.raises(ValueError, match=r"have none of \[.*'phenotypes'\]: \['d'\]"):
            model.predict_proba(nobody)
