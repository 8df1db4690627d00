import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.feature_selection import RFE, SelectKBest, VarianceThreshold, f_classif
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from brainograph.preprocessing import RidgeRFE


def make_problem(rng, n_subjects=60, n_features=400, n_classes=2):
    y = rng.integers(n_classes, size=n_subjects)
    X = rng.standard_normal((n_subjects, n_features)) + 3
    X[:, :10] += 0.7 * y[:, None]
    return X, y


@pytest.mark.parametrize("n_features", [150, 20, 399])  # above, below the number of subjects
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("alpha", [1.0, 30.0])
def test_equals_scikit_learn(rng, n_features, n_classes, alpha):
    X, y = make_problem(rng, n_classes=n_classes)
    ours = RidgeRFE(n_features, alpha=alpha, step=17).fit(X, y)
    reference = RFE(RidgeClassifier(alpha=alpha), n_features_to_select=n_features, step=17)
    reference.fit(X, y)
    np.testing.assert_array_equal(ours.ranking_, reference.ranking_)
    np.testing.assert_array_equal(ours.transform(X), reference.transform(X))


def test_equals_scikit_learn_with_more_subjects_than_features(rng):
    X, y = make_problem(rng, n_subjects=90, n_features=50)
    reference = RFE(RidgeClassifier(), n_features_to_select=5, step=3).fit(X, y)
    np.testing.assert_array_equal(RidgeRFE(5, step=3).fit(X, y).ranking_, reference.ranking_)


def test_string_labels_and_names(rng):
    X, y = make_problem(rng)
    selection = RidgeRFE(30).fit(X, np.array(["control", "patient"])[y])
    assert selection.get_support().sum() == 30
    assert len(selection.get_feature_names_out([f"edge {i}" for i in range(400)])) == 30


def test_constant_features_leave_first(rng):
    X, y = make_problem(rng)
    X[:, 100:120] = 0.0
    assert not RidgeRFE(300).fit(X, y).support_[100:120].any()


def test_the_input_is_left_alone(rng):
    X, y = make_problem(rng)
    kept = X.copy()
    RidgeRFE(50).fit(X, y)
    np.testing.assert_array_equal(X, kept)


def test_too_many_are_all_kept_with_a_warning(rng):
    X, y = make_problem(rng, n_features=20)
    with pytest.warns(UserWarning, match="n_features=2000 of 20 features: all are kept"):
        assert RidgeRFE().fit(X, y).support_.all()


def test_noise_gives_chance_when_selected_inside_the_folds(rng):
    X, y = rng.standard_normal((80, 1000)), np.arange(80) % 2
    pipeline = make_pipeline(RidgeRFE(50), LogisticRegression())
    assert cross_val_score(pipeline, X, y, cv=5).mean() < 0.7


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_features": 0}, "n_features must be an integer above 0, got 0"),
        ({"step": 0.5}, "step must be an integer above 0, got 0.5"),
        ({"alpha": 0}, "alpha must be above 0, got 0"),
    ],
)
def test_parameters_are_checked(rng, parameters, message):
    with pytest.raises(ValueError, match=message):
        RidgeRFE(**parameters).fit(*make_problem(rng))


def test_one_class_is_refused(rng):
    X, _ = make_problem(rng)
    with pytest.raises(ValueError, match=r"one class \(1\) in 60 rows"):
        RidgeRFE(10).fit(X, np.ones(60, dtype=int))


def test_clone_keeps_parameters():
    assert clone(RidgeRFE(7, alpha=2.0, step=3)).get_params() == {
        "n_features": 7,
        "alpha": 2.0,
        "step": 3,
    }


def test_anova_behind_a_variance_threshold_does_not_warn(rng):
    X, y = make_problem(rng)
    X[:, 100:120] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline = make_pipeline(VarianceThreshold(), SelectKBest(f_classif, k=20)).fit(X, y)
    assert np.isfinite(pipeline[-1].scores_).all()
