import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion, make_pipeline

from brainograph.cohort import Cohort
from brainograph.cohort_merge import merge
from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.preprocessing.block_scaler import BlockScaler
from brainograph.preprocessing.edges import Edges
from brainograph.preprocessing.harmonization import Harmonized
from brainograph.preprocessing.parcellation import Parcellation
from brainograph.preprocessing.sites import SiteCentering
from brainograph.preprocessing.tangent import TangentSpace


@pytest.fixture(scope="module")
def cohort():
    """A simulated cohort; its first five regions are a second parcellation, named otherwise."""
    main = simulate_cohort(n_subjects=60, random_state=0)
    five = Cohort(
        pd.DataFrame(index=main.phenotype.index),
        pd.DataFrame(index=list("abcde")),
        timeseries=[series[:, :5] for series in main.timeseries],
        connectivity={"fc": np.asarray(main.connectivity["fc"])[:, :5, :5]},
    )
    return merge({"main": main, "five": five[::-1]})


def test_it_is_the_transformer_on_the_parcellation(cohort):
    features = Parcellation("five", Edges()).fit(cohort[:30])
    np.testing.assert_array_equal(
        features.transform(cohort), Edges().fit_transform(cohort.parcellations["five"])
    )
    assert features.get_feature_names_out()[:2].tolist() == ["five: a -- b", "five: a -- c"]


def test_groups_are_known_on_both_sides(cohort):
    inside = Parcellation("five", Harmonized(Edges(), SiteCentering())).fit_transform(cohort)
    outside = Harmonized(Parcellation("five", Edges()), SiteCentering()).fit_transform(cohort)
    np.testing.assert_array_equal(inside, outside)
    assert not np.allclose(inside, Parcellation("five", Edges()).fit_transform(cohort))


def test_what_is_not_there_is_named(cohort):
    with pytest.raises(ValueError, match=r"no parcellation 'cc200'; it has: 'five'.*merge\("):
        Parcellation("cc200", Edges()).fit(cohort)
    fitted = Parcellation("five", Edges()).fit(cohort)
    five = cohort.parcellations["five"]
    other = five.assign(regions=five.regions.set_axis(list("abcdf")))
    with pytest.raises(ValueError, match=r"parcellation 'five': the regions are not.*\['e'\]"):
        fitted.transform(cohort.assign(parcellations={"five": other}))


def test_the_population_classifier_takes_several(cohort, tmp_path):
    y = cohort.phenotype["diagnosis"].to_numpy().copy()
    y[:10] = -1
    blocks = {
        "edges": Edges(),
        "five": Parcellation("five", Edges()),
        "tangent": Parcellation("five", TangentSpace()),
    }
    features = FeatureUnion([(n, make_pipeline(b, BlockScaler())) for n, b in blocks.items()])
    model = PopulationGraphClassifier(
        features, num_layers=0, combine="none", optimizer="lbfgs", max_epochs=5, n_members=1,
        validation_fraction=0.0, skip_weight_decay=1e-2,
    )  # fmt: skip
    model = clone(model).fit(cohort[:50], y[:50])
    expected = model.predict_proba(cohort)
    loaded = PopulationGraphClassifier.load(model.save(tmp_path / "model"))
    reopened = Cohort.load(cohort.save(tmp_path / "cohort"))
    np.testing.assert_allclose(loaded.predict_proba(reopened), expected, atol=1e-6)
    five = cohort.parcellations["five"]
    named = five.assign(regions=five.regions.set_axis(list("abcdf")))
    with pytest.raises(ValueError, match="parcellation 'five': the regions are not those"):
        loaded.predict_proba(cohort.assign(parcellations={"five": named}))
    alone = cohort[50:].assign(parcellations={"five": five[50:]})
    np.testing.assert_allclose(loaded.predict_proba(alone), expected[50:], atol=1e-6)
