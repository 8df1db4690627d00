import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from brainograph.preprocessing import MIDA, BlockScaler


def planted(n_subjects=200, n_features=40, *, seed=0):
    """Return features with a large site shift and a smaller diagnosis effect elsewhere."""
    rng = np.random.default_rng(seed)
    sites = np.array(["a", "b", "c", "d"])[rng.integers(4, size=n_subjects)]
    y = rng.integers(2, size=n_subjects)
    x = rng.standard_normal((n_subjects, n_features))
    x += rng.normal(0, 2, (4, n_features))[np.unique(sites, return_inverse=True)[1]]
    x[:, :5] += 1.5 * y[:, None]
    return x, sites, y


def by_definition(kernel, sites, mu, n_components):
    """Return |eigenvectors| of K H (mu I - D D') H K, step by step."""
    n = len(sites)
    centring = np.eye(n) - np.ones((n, n)) / n
    same = np.array([[float(a == b) for b in sites] for a in sites])
    centred = centring @ kernel @ centring
    objective = centred @ (mu * np.eye(n) - centring @ same @ centring) @ centred
    values, vectors = np.linalg.eig((objective + objective.T) / 2)
    order = np.argsort(-values.real)[:n_components]
    return values.real[order], vectors.real[:, order], centred


@pytest.mark.parametrize("mu", [0.5, 5.0])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_against_the_definition(kernel, mu):
    x, sites, _ = planted(30, 10)
    mida = MIDA(4, kernel=kernel, gamma=0.02, mu=mu)
    z = mida.fit_transform(x, sites=sites)
    distance = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    full = x @ x.T if kernel == "linear" else np.exp(-0.02 * distance)
    values, vectors, centred = by_definition(full, sites, mu, 4)
    assert np.allclose(mida.eigenvalues_, values)
    assert np.allclose(np.abs(mida.projection_), np.abs(vectors), atol=1e-6)
    assert np.allclose(z, centred @ mida.projection_)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_new_rows_enter_by_the_kernel(kernel):
    """A row of the fit, given again, comes out where it was; alone or among others."""
    x, sites, _ = planted(50, 8)
    mida = MIDA(5, kernel=kernel)
    z = mida.fit_transform(x, sites=sites)
    assert np.allclose(mida.transform(x[7:9]), z[7:9])
    assert np.allclose(mida.transform(x[7:8]), z[7])


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_site_goes_and_the_diagnosis_stays(kernel):
    x, sites, y = planted()
    z = make_pipeline(MIDA(20, kernel=kernel), BlockScaler())
    with sklearn.config_context(enable_metadata_routing=True):
        z.steps[0][1].set_fit_request(sites=True)
        z = z.fit_transform(x, sites=sites)
    model = LogisticRegression(C=10, max_iter=1000)
    assert cross_val_score(model, x, sites).mean() > 0.9
    assert cross_val_score(model, z, sites).mean() < 0.4
    assert cross_val_score(model, z, y, scoring="roc_auc").mean() > 0.85


def test_labels_change_no_bit():
    x, sites, y = planted()
    one = MIDA(5).fit_transform(x, y, sites=sites)
    assert np.array_equal(one, MIDA(5).fit_transform(x, 1 - y, sites=sites))


def test_what_a_covariate_explains_of_the_site_stays():
    """Age differs between sites: its effect is kept where age is a covariate."""
    rng = np.random.default_rng(0)
    sites = np.repeat(["a", "b"], 100)
    age = rng.normal(10, 2, 200) + 10 * (sites == "b")
    x = rng.standard_normal((200, 20)) + np.outer(age - 15, rng.normal(0, 0.5, 20))
    lost = MIDA(5).fit_transform(x, sites=sites)
    kept = MIDA(5).fit_transform(x, sites=sites, covariates=pd.DataFrame({"age": age}))
    explained = [
        roc_auc_score(sites == "b", LogisticRegression().fit(z, age > 15).decision_function(z))
        for z in (lost, kept)
    ]
    assert abs(explained[0] - 0.5) < 0.15
    assert explained[1] > 0.95


def test_rows_without_a_site_take_part():
    x, sites, _ = planted(60, 8)
    some = sites.astype(object)
    some[:10] = None
    assert np.isfinite(MIDA(3).fit_transform(x, sites=some)).all()
    assert not np.allclose(
        MIDA(3).fit_transform(x, sites=some)[10:],
        MIDA(3).fit(x[10:], sites=sites[10:]).transform(x[10:]),
    )


def test_what_says_more_of_the_site_than_of_anything_else_is_left_out():
    """Of 30 centred rows at 4 sites, 26 directions are free of the site."""
    x, sites, _ = planted(30, 40)
    mida = MIDA().fit(x, sites=sites)
    assert mida.transform(x).shape == MIDA(100).fit_transform(x, sites=sites).shape == (30, 26)
    assert mida.eigenvalues_.min() > 0
    assert mida.get_feature_names_out()[:2].tolist() == ["mida0", "mida1"]
    assert mida.transductive is False


def test_nothing_but_the_site():
    _, sites, _ = planted(30)
    x = np.stack([sites == "a", sites == "b"], axis=1).astype(float)
    with pytest.raises(
        ValueError, match="no component says more of anything else than of the site"
    ):
        MIDA().fit(x, sites=sites)


def test_single_precision_is_computed_in_double():
    x, sites, _ = planted()
    single = MIDA(5).fit_transform(x.astype(np.float32), sites=sites)
    assert np.allclose(single, MIDA(5).fit_transform(x, sites=sites), rtol=1e-3, atol=0.05)
    assert single.dtype == np.float64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel": "poly"}, r"kernel must be one of \('linear', 'rbf'\), got 'poly'"),
        ({"n_components": 0}, "n_components must be at least 1, got 0"),
        ({"mu": -1.0}, "mu must be above 0, got -1.0"),
    ],
)
def test_mistakes(settings, message):
    x, sites, _ = planted(12, 3)
    with pytest.raises(ValueError, match=message):
        MIDA(**settings).fit(x, sites=sites)


def test_missing_values():
    x, sites, _ = planted(12, 3)
    x[0, 0] = np.inf
    with pytest.raises(ValueError, match="1 features of 1 participants are missing or infinite"):
        MIDA().fit(x, sites=sites)


def test_one_site():
    with pytest.raises(ValueError, match=r"sites holds \['a'\]: MIDA compares sites"):
        MIDA().fit(np.eye(3), sites=["a", None, "a"])
