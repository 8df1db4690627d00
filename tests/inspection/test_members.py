"""Fused decisions are explained by those of the members, each by its share."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from brainograph.datasets import simulate_cohort
from brainograph.estimators import (
    Calibrated,
    LateFusionClassifier,
    SubjectGraphClassifier,
    Training,
)
from brainograph.inspection import (
    attribute,
    haufe_patterns,
    modality_contributions,
    occlude,
    planted_auc,
    randomized,
    to_regions,
)
from brainograph.inspection.explanations import write_explanations
from brainograph.preprocessing import Edges, Phenotypes


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(50, n_regions=12, n_volumes=(60, 70), missing=0.0)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy()


@pytest.fixture(scope="module")
def fused(cohort, y):
    quick = Training(max_epochs=3, validation_fraction=0.0)
    members = [
        ("edges", make_pipeline(Edges(), LogisticRegression())),
        ("net", SubjectGraphClassifier("BrainNetCNN", training=quick, device="cpu")),
        ("age", make_pipeline(Phenotypes(["age"]), LogisticRegression())),
    ]
    return LateFusionClassifier(members, n_splits=2).fit(cohort, y)


def test_each_member_counts_by_its_share(fused, cohort):
    with pytest.warns(UserWarning, match=r"the members \['age'\] cannot be explained so"):
        table = occlude(fused, cohort)
    assert table.columns.tolist() == ["participant_id", "class", "input", "region", "importance"]
    assert table["input"].unique().tolist() == ["edges", "net"]
    one = table[table["input"] == "edges"]
    alone = occlude(fused.members_["edges"], cohort)
    share = np.repeat(fused.contributions(cohort)["edges"].to_numpy(), 12)
    np.testing.assert_allclose(one["importance"], alone["importance"] * share)
    assert planted_auc(table, cohort) >= 0.9


def test_other_methods(fused, cohort):
    shares = attribute(fused, cohort, level="input", n_steps=2)
    assert {"edges: features", "net: connectivity/fc", "age: features"} == {*shares["input"]}
    with pytest.warns(UserWarning, match=r"\['net', 'age'\] cannot be explained so"):
        patterns = haufe_patterns(fused, cohort)
    assert planted_auc(to_regions(patterns), cohort) >= 0.9
    with pytest.raises(ValueError, match="no member can be explained so"):
        attribute(fused, cohort, level="window")
    assert not np.allclose(randomized(fused).predict_proba(cohort), fused.predict_proba(cohort))


def test_contributions_of_modalities(fused, cohort):
    table = modality_contributions(fused, cohort)
    sums = table.groupby("participant_id")["importance"].sum()
    np.testing.assert_allclose(sums, 1, rtol=1e-5)
    assert table["input"].tolist()[:3] == ["edges", "net", "age"]


def test_the_class_is_that_of_the_whole(cohort, y):
    three = np.where(np.arange(50) % 4 == 0, 2, y)
    members = [
        ("edges", make_pipeline(Edges(), LogisticRegression())),
        ("age", make_pipeline(Phenotypes(["age"]), LogisticRegression())),
    ]
    model = LateFusionClassifier(members, how="mean").fit(cohort, three)
    table = attribute(model, cohort, level="input", n_steps=1)
    for name in ("edges: features", "age: features"):
        assert table[table["input"] == name]["class"].tolist() == model.predict(cohort).tolist()


def test_a_folder_of_explanations(fused, cohort, y, tmp_path):
    with pytest.warns(UserWarning, match="cannot be explained so"):
        folder = write_explanations(fused, cohort[:6], tmp_path / "out", background=cohort)
    names = {path.stem for path in folder.glob("*.tsv")}
    assert {"modalities", "occlusion_region", "occlusion_network", "occlusion_input"} <= names
    regions = pd.read_csv(folder / "occlusion_region.tsv", sep="\t")
    assert {*regions["region"]} == {*cohort.regions.index}
    stranger = LateFusionClassifier(
        [("knn", make_pipeline(Edges(), KNeighborsClassifier()))], how="mean"
    ).fit(cohort, y)
    with pytest.raises(ValueError, match="a KNeighborsClassifier has no weights"):
        occlude(Calibrated(stranger, refit=False).fit(cohort, y), cohort)
