import numpy as np
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators import MultipleKernelClassifier, load_model
from brainograph.preprocessing import Edges, Measures, Phenotypes


@pytest.fixture(scope="module")
def cohort():
    """Edges that tell patients a little, a measure that tells them well, one of pure noise."""
    simulated = simulate_cohort(n_subjects=90, n_regions=8, effect=0.8, random_state=3)
    rng = np.random.default_rng(0)
    y = simulated.phenotype["diagnosis"].to_numpy()
    measures = {
        "thickness": rng.normal(size=(90, 8)) + 0.8 * y[:, None],
        "volume": rng.normal(size=(90, 8)),
    }
    cohort = simulated.assign(measures=measures)
    return cohort[np.argsort(cohort.participant_ids)]  # as fit has them


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


BLOCKS = [
    ("edges", Edges()),
    ("thickness", Measures(["thickness"])),
    ("volume", Measures(["volume"])),
]
TRAIN, TEST = slice(0, 60), slice(60, 90)


def features(cohort: Cohort, block):
    """Standardised features of training rows and of others, by training statistics."""
    fitted = clone(block).fit(cohort[TRAIN])
    train, test = fitted.transform(cohort[TRAIN]), fitted.transform(cohort[TEST])
    mean, std = train.mean(axis=0), train.std(axis=0)
    return (train - mean) / std, (test - mean) / std


def by_hand(cohort, rbf=False):
    """Centred kernels with a mean diagonal of 1, of training rows and of others to them."""
    pairs = []
    for _, block in BLOCKS:
        train, test = features(cohort, block)

        def distance(a, b):
            return ((a[:, None] - b[None]) ** 2).sum(-1)

        if rbf:
            gamma = 1 / np.median(distance(train, train)[np.triu_indices(60, 1)])
            own, others = (np.exp(-gamma * distance(x, train)) for x in (train, test))
            others = others - others.mean(1, keepdims=True) - own.mean(0) + own.mean()
            own = own - own.mean(1, keepdims=True) - own.mean(0) + own.mean()
        else:
            own, others = train @ train.T, test @ train.T  # of features with mean 0
        scale = np.trace(own) / 60
        pairs.append((own / scale, others / scale))
    return pairs


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_mean_of_kernels_is_that_by_hand(cohort, y, kernel):
    model = MultipleKernelClassifier(BLOCKS, kernel=kernel, C=0.5).fit(cohort[TRAIN], y[TRAIN])
    pairs = by_hand(cohort, rbf=kernel == "rbf")
    own = np.mean([own for own, _ in pairs], axis=0)
    others = np.mean([others for _, others in pairs], axis=0)
    reference = SVC(kernel="precomputed", C=0.5).fit(own, y[TRAIN])
    expected = expit(reference.decision_function(others))
    assert np.allclose(
        model.predict_proba(cohort[TEST])[:, 1], expected, atol=1e-3
    )  # libsvm's tolerance
    assert model.weights_ == pytest.approx(dict.fromkeys(["edges", "thickness", "volume"], 1 / 3))


def test_logistic_regression_on_kernels_is_that_on_features(cohort, y):
    """With a linear kernel, on the features side by side, each block divided by its scale."""
    model = MultipleKernelClassifier(
        BLOCKS[1:], weights=[3.0, 1.0], classifier="logistic", C=0.1
    ).fit(cohort[TRAIN], y[TRAIN])
    parts = [features(cohort, block) for _, block in BLOCKS[1:]]
    train, test = (
        np.hstack([np.sqrt(w / 8) * part[i] for w, part in zip((0.75, 0.25), parts, strict=True)])
        for i in (0, 1)
    )
    reference = LogisticRegression(C=0.1, tol=1e-8).fit(train, y[TRAIN])
    assert np.allclose(model.predict_proba(cohort[TEST]), reference.predict_proba(test), atol=1e-3)


def alignment(kernel, y):
    t = np.where(y == 1, 1.0, -1.0)
    t -= t.mean()
    target = np.outer(t, t)
    return (kernel * target).sum() / np.linalg.norm(kernel) / np.linalg.norm(target)


def test_alignment_is_the_cosine_with_the_labels(cohort, y):
    model = MultipleKernelClassifier(BLOCKS, weights="alignment").fit(cohort[TRAIN], y[TRAIN])
    expected = [alignment(own, y[TRAIN]) for own, _ in by_hand(cohort)]
    assert list(model.alignments_.values()) == pytest.approx(expected)
    shares = np.maximum(expected, 0) / np.maximum(expected, 0).sum()
    assert list(model.weights_.values()) == pytest.approx(shares)
    assert model.weights_["thickness"] > 2 * model.weights_["volume"]


def test_joint_alignment_is_the_best_there_is(cohort, y):
    model = MultipleKernelClassifier(BLOCKS[:2], weights="joint_alignment")
    model.fit(cohort[TRAIN], y[TRAIN])
    first, second = (own for own, _ in by_hand(cohort)[:2])
    grid = np.linspace(0, 1, 1001)
    scores = [alignment(w * first + (1 - w) * second, y[TRAIN]) for w in grid]
    assert model.weights_["edges"] == pytest.approx(grid[np.argmax(scores)], abs=2e-3)


def test_three_classes(cohort, y):
    three = y + (cohort.phenotype["age"].to_numpy() > 40)
    blocks = [*BLOCKS, ("age", Phenotypes(["age"]))]
    model = MultipleKernelClassifier(blocks, weights="alignment").fit(cohort[TRAIN], three[TRAIN])
    proba = model.predict_proba(cohort[TEST])
    assert proba.shape == (30, 3)
    assert np.allclose(proba.sum(axis=1), 1)
    assert model.predict_proba(cohort[:0]).shape == (0, 3)


def test_labels_of_others_play_no_part_in_the_weights(cohort, y):
    hidden = np.where(np.arange(90) < 60, y, -1)
    half = MultipleKernelClassifier(BLOCKS, weights="alignment").fit(cohort[TRAIN], y[TRAIN])
    whole = MultipleKernelClassifier(BLOCKS, weights="alignment").fit(cohort, hidden)
    assert whole.weights_ == half.weights_
    assert whole.participant_ids_ == half.participant_ids_
    assert set(whole.regime(cohort[TEST])) == {"inductive"}


def test_it_is_opened_by_load_model(cohort, y, tmp_path):
    model = MultipleKernelClassifier(BLOCKS, kernel="rbf", classifier="logistic")
    model.fit(cohort[TRAIN], y[TRAIN])
    loaded = load_model(model.save(tmp_path / "model"))
    assert np.array_equal(loaded.predict_proba(cohort), model.predict_proba(cohort))
    assert loaded.weights_ == model.weights_


def test_a_block_that_does_not_vary_is_harmless(cohort, y):
    constant = cohort.assign(measures={"volume": np.ones((90, 8))})
    model = MultipleKernelClassifier(BLOCKS, weights="alignment").fit(constant[TRAIN], y[TRAIN])
    assert model.weights_["volume"] == 0
    assert np.isfinite(model.predict_proba(constant[TEST])).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"blocks": []}, "blocks must be"),
        ({"blocks": [BLOCKS[0], BLOCKS[0]]}, r"each name once; got \['edges', 'edges'\]"),
        ({"kernel": "poly"}, r"kernel must be one of \('linear', 'rbf'\), got 'poly'"),
        ({"classifier": "ridge"}, "classifier must be one of"),
        ({"weights": "best"}, "weights must be one of .* or 3 numbers, got 'best'"),
        ({"weights": [1, 2]}, r"weights must be 3 numbers .*got \[1, 2\]"),
        ({"weights": [1, -2, 3]}, "not negative"),
        ({"weights": [0, 0, 0]}, "not all 0"),
    ],
)
def test_bad_settings(cohort, y, params, message):
    with pytest.raises(ValueError, match=message):
        MultipleKernelClassifier(**{"blocks": BLOCKS, **params}).fit(cohort, y)
