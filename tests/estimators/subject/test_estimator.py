import inspect
import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from torch import nn

import brainograph.nn as networks
from brainograph.cohort_merge import merge
from brainograph.connectivity import static
from brainograph.datasets import simulate_cohort
from brainograph.estimators import SubjectGraphClassifier, SubjectGraphRegressor, Training
from brainograph.nn import BrainBatch, MeanMLP

QUICK = {"max_epochs": 3, "lr": 0.01, "batch_size": 16}


class Own(nn.Module):
    """A network of a user's: matrices, a measure and phenotypes, and a loss of its own."""

    reads = ("connectivity/fc", "measures/thickness", "phenotypes")

    def __init__(self, n_regions, n_classes, *, width=4, n_phenotypes=0):
        super().__init__()
        self.encoder = nn.Linear(2 * n_regions + n_phenotypes, width)
        self.head = nn.Linear(width, n_classes)
        self.n_phenotypes = n_phenotypes

    def forward(self, batch: BrainBatch):
        x = [batch.connectivity["fc"].mean(1), batch.measures["thickness"], batch.phenotypes]
        return self.head(torch.cat(x, dim=1) @ self.encoder.weight.T)

    def loss(self, batch, y):
        return nn.functional.cross_entropy(self(batch), y) + self.encoder.bias.square().sum()


@pytest.fixture(scope="module")
def cohort():
    cohort = simulate_cohort(n_subjects=50, n_regions=6, n_volumes=(20, 30), random_state=0)
    fc = np.stack([np.corrcoef(series.T) for series in cohort.timeseries])
    return cohort.assign(connectivity={"fc": fc})


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


def mlp(**settings):
    settings = {"params": {"hidden_channels": 8}, "training": Training(**QUICK), **settings}
    return SubjectGraphClassifier("MeanMLP", device="cpu", **settings)


def own(**settings):
    settings = {"training": Training(**QUICK), "phenotypes": ("age", "sex"), **settings}
    return SubjectGraphClassifier(Own, device="cpu", **settings)


def test_a_class_and_its_name_are_the_same_network(cohort, y):
    named = mlp().fit(cohort, y).predict_proba(cohort)
    given = mlp().set_params(network=MeanMLP).fit(cohort, y).predict_proba(cohort)
    assert np.array_equal(named, given)


SUBJECT_LEVEL = [
    name
    for name in networks.__all__
    if "n_regions" in inspect.signature(getattr(networks, name)).parameters
]


@pytest.mark.parametrize("name", SUBJECT_LEVEL)
def test_every_network_is_trained_saved_and_asked_for_one_participant(name, tmp_path):
    cohort = simulate_cohort(n_subjects=20, n_regions=12, n_volumes=(60, 70), random_state=1)
    rng, paths = np.random.default_rng(0), [tmp_path / f"{i}.nii" for i in range(20)]
    for path in paths:
        nib.save(nib.Nifti1Image(rng.random((8, 8, 8), dtype=np.float32), np.eye(4)), path)
    images = pd.DataFrame({"T1w": list(map(str, paths))}, index=cohort.participant_ids)
    cohort = cohort.assign(connectivity={"fc": static(cohort.timeseries)}, images=images)
    y = cohort.phenotype["diagnosis"].to_numpy().astype(int)
    settings = Training(max_epochs=2, batch_size=8, clip=1.0)
    model = SubjectGraphClassifier(name, training=settings, device="cpu").fit(cohort[:16], y[:16])
    loaded = SubjectGraphClassifier.load(model.save(tmp_path / "m"), device="cpu")
    probability = model.predict_proba(cohort[16:])
    assert np.allclose(loaded.predict_proba(cohort[[17]]), probability[[1]], rtol=0, atol=1e-6)


def test_unlabelled_participants_are_not_looked_at(cohort, y):
    """Not even their scans: what they hold changes no bit."""
    hidden = np.arange(50) % 5 == 0
    series = [s * np.nan if h else s for s, h in zip(cohort.timeseries, hidden, strict=True)]
    broken = cohort.assign(timeseries=series)
    visible = np.where(hidden, -1, y)
    first = mlp().fit(cohort, visible).predict_proba(cohort)
    second = mlp().fit(broken, visible).predict_proba(cohort)
    assert np.array_equal(first, second)


def test_members_are_averaged_and_differ(cohort, y):
    model = mlp(n_members=3).fit(cohort, y)
    each = [torch.softmax(torch.from_numpy(o), 1).numpy() for o in model._outputs(cohort)]
    assert np.allclose(np.mean(each, axis=0), model.predict_proba(cohort))
    assert not np.allclose(each[0], each[1], atol=1e-4)
    assert model.history_.index.get_level_values("member").unique().tolist() == [0, 1, 2]


def test_decision_values_and_labels_of_any_number(cohort, y):
    model = mlp().fit(cohort, 3 * y + 2)
    probability = model.predict_proba(cohort)
    assert np.allclose(
        model.decision_function(cohort), np.log(probability[:, 1] / probability[:, 0])
    )
    assert set(model.predict(cohort)) <= {2, 5}
    three = mlp().fit(cohort, np.arange(50) % 3)
    assert three.decision_function(cohort).shape == (50, 3)
    assert mlp().fit(cohort, y).predict_proba(cohort[:0]).shape == (0, 2)


def test_phenotypes_are_learnt_from_training_rows_and_given_to_the_network(cohort, y):
    model = own().fit(cohort, y)
    assert model._members[0].n_phenotypes == len(model._phenotypes[0].get_feature_names_out()) > 2
    rows = model._split(cohort[np.argsort(cohort.participant_ids)], y, 0)
    assert len(rows[1])
    older = cohort.assign(phenotype=cohort.phenotype.assign(age=cohort.phenotype["age"] + 50))
    assert not np.allclose(model.predict_proba(cohort), model.predict_proba(older))


def test_a_loss_of_its_own_is_used(cohort, y):
    assert (own(training=Training(**{**QUICK, "max_epochs": 60, "validation_fraction": 0.0}))
            .fit(cohort, y)._members[0].encoder.bias.abs().max() < 0.02)  # fmt: skip
    with pytest.raises(ValueError, match="Own has a loss of its own, which takes no class weights"):
        own(training=Training(class_weight="balanced")).fit(cohort, y)


def test_grid_search_reaches_the_training(cohort, y):
    search = GridSearchCV(mlp(), {"training__lr": [1e-3, 1e-2], "random_state": [0]}, cv=2)
    search.fit(cohort, y)
    assert search.best_params_["training__lr"] in (1e-3, 1e-2)


def test_save_and_load_with_phenotypes_and_members(cohort, y, tmp_path):
    model = own(n_members=2).fit(cohort, y)
    loaded = SubjectGraphClassifier.load(model.save(tmp_path / "m"), device="cpu", network=Own)
    assert np.array_equal(loaded.predict_proba(cohort), model.predict_proba(cohort))
    assert loaded.history_.shape == model.history_.shape
    with pytest.raises(ValueError, match="holds a Own, not a MeanMLP"):
        SubjectGraphClassifier.load(tmp_path / "m", network=MeanMLP)
    with pytest.raises(ValueError, match=r"network must be one of .*MeanMLP.*got 'Own'"):
        SubjectGraphClassifier.load(tmp_path / "m")
    with pytest.raises(ValueError, match="holds a SubjectGraphClassifier, not a SubjectGraphReg"):
        SubjectGraphRegressor.load(tmp_path / "m")


def test_a_saved_model_keeps_no_path_label_or_scan(cohort, y, tmp_path):
    model = mlp(checkpoint=tmp_path / "secret", log=tmp_path / "secret").fit(cohort, y)
    folder = model.save(tmp_path / "m")
    text = (folder / "model.json").read_text()
    assert "secret" not in text
    assert json.loads(text)["participants"] == sorted(cohort.participant_ids)
    assert clone(SubjectGraphClassifier.load(folder)).checkpoint is None


def test_regions_are_checked_when_predicting(cohort, y):
    model = mlp().fit(cohort, y)
    renamed = cohort.assign(regions=cohort.regions.rename(index=lambda name: f"{name}'"))
    with pytest.raises(ValueError, match="the regions are not those of the fit"):
        model.predict_proba(renamed)


def test_another_parcellation_is_read_by_name(cohort, y, tmp_path):
    three = cohort.assign(
        timeseries=[one[:, :3] for one in cohort.timeseries],
        regions=pd.DataFrame(index=["a", "b", "c"]),
        connectivity={"fc": cohort.connectivity["fc"][:, :3, :3]},
        measures={"thickness": cohort.measures["thickness"][:, :3]},
    )
    both = merge({"six": cohort, "three": three})
    model = mlp(parcellation="three").fit(both, y)
    assert model.region_names_ == ["a", "b", "c"]
    expected = mlp().fit(three, y).predict_proba(three)
    assert np.array_equal(model.predict_proba(both), expected)
    loaded = SubjectGraphClassifier.load(model.save(tmp_path / "m"), device="cpu")
    assert np.array_equal(loaded.predict_proba(both), expected)
    with pytest.raises(ValueError, match=r"no parcellation 'three'; it has: none\. Write one of"):
        model.predict_proba(cohort)


@pytest.mark.parametrize("name", ["MSTGC", "STAGIN"])
def test_scans_shorter_than_a_window_are_named(cohort, y, name):
    params = {"window": 24, **({"channels": ("dynamic",)} if name == "MSTGC" else {})}
    model = SubjectGraphClassifier(name, params=params, training=Training(**QUICK), device="cpu")
    long = np.array([len(one) >= 24 for one in cohort.timeseries])
    first = min(np.array(cohort.participant_ids)[~long])
    with pytest.raises(ValueError, match=rf"needs 24 volumes and {sum(~long)} of 50.*{first}"):
        model.fit(cohort, y)
    fitted = model.fit(cohort[long], y[long])
    with pytest.raises(ValueError, match="Leave them out, or choose a shorter window"):
        fitted.predict_proba(cohort)


def test_a_windowed_network_of_two_channels_predicts_a_number(cohort):
    params = {"channels": ("dynamic", "fc"), "window": 15, "step": 5}
    model = SubjectGraphRegressor(
        "MSTGC", params=params, training=Training(**QUICK), device="cpu"
    ).fit(cohort, cohort.phenotype["age"])
    assert np.isfinite(model.predict(cohort)).all()


def test_new_participants_without_what_the_network_reads(cohort, y):
    model = mlp().fit(cohort, y)
    series = [s.copy() for s in cohort.timeseries]
    series[3][0, 0] = np.nan
    with pytest.raises(ValueError, match=f"series of {cohort.participant_ids[3]} has NaN"):
        model.predict_proba(cohort.assign(timeseries=series))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "meanMLP"}, r"network must be one of \[.*'MeanMLP'.*\], got 'meanMLP'"),
        ({"params": {"hidden": 8}}, r"MeanMLP has no parameter \['hidden'\]; it has \['hidden_ch"),
        ({"phenotypes": ("age",)}, "MeanMLP does not read phenotypes"),
        ({"phenotypes": ("ados_total",)}, "looks like a score of autism"),
        ({"n_members": 0}, "n_members must be at least 1"),
        ({"tensorboard": True}, r"tensorboard=True needs a folder\. Write log="),
        ({"device": "cuda:99"}, 'Write device="auto" or device="cpu"'),
        ({"training": Training(lr=-1.0)}, "lr must be positive"),
        ({"freeze": ("encoder",)}, r"freeze names 'encoder'; the network has \['head', 'layers'\]"),
    ],
)
def test_bad_settings(cohort, y, settings, message):
    with pytest.raises(ValueError, match=message):
        mlp().set_params(**settings).fit(cohort, y)


def test_too_few_of_a_class_for_validation(cohort, y):
    labels = np.where(np.cumsum(y) <= 1, y, -1)
    with pytest.raises(ValueError, match="Write validation_fraction=0"):
        mlp().fit(cohort, labels)
    mlp(training=Training(**QUICK, validation_fraction=0.0)).fit(cohort, labels)


def test_pretrained_weights_are_taken_where_they_fit_and_frozen_ones_stay(cohort, y, tmp_path):
    first = mlp().fit(cohort, y)
    folder = first.save(tmp_path / "first")
    model = mlp(pretrained=folder, freeze=("layers",), random_state=9).fit(
        cohort, np.arange(50) % 3
    )
    before, after = (m._members[0].state_dict() for m in (first, model))
    assert torch.equal(before["layers.0.0.weight"], after["layers.0.0.weight"])
    assert after["head.weight"].shape == (3, 8)
    free = mlp(pretrained=folder, random_state=9).fit(cohort, y)
    assert not torch.equal(
        before["layers.0.0.weight"], free._members[0].state_dict()["layers.0.0.weight"]
    )
    with pytest.raises(ValueError, match="before the last layer fit this Own"):
        own(pretrained=folder).fit(cohort, y)


class Steps(nn.Module):
    """Notes the mode of its parts."""

    reads = ("measures/thickness",)
    modes: set = set()  # noqa: RUF012 - the test reads what any instance has noted

    def __init__(self, n_regions, n_classes):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n_regions, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.head = nn.Linear(4, n_classes)

    def forward(self, batch):
        self.modes.add((self.training, self.encoder[1].training, self.encoder[2].training))
        return self.head(self.encoder(batch.measures["thickness"]))


def test_frozen_layers_keep_their_statistics_and_have_no_dropout(cohort, y):
    model = SubjectGraphClassifier(
        Steps, freeze=("encoder",), training=Training(**QUICK), device="cpu"
    ).fit(cohort, y)
    assert Steps.modes == {(True, False, False), (False, False, False)}
    assert model._members[0].encoder[1].num_batches_tracked == 0


def test_a_regressor_recovers_a_number(rng):
    cohort = simulate_cohort(n_subjects=120, n_regions=6, n_volumes=(60, 60), random_state=3)
    target = 40 + 10 * rng.normal(size=120)
    series = [
        one + (t - 40) / 10 * 2.0 * np.abs(rng.normal(size=(60, 1))) * (np.arange(6) < 2)
        for one, t in zip(cohort.timeseries, target, strict=True)
    ]
    cohort = cohort.assign(timeseries=series)
    known = np.where(np.arange(120) < 90, target, np.nan)
    model = SubjectGraphRegressor(
        "MeanMLP", training=Training(lr=0.01, max_epochs=40), standardize=False, device="cpu"
    ).fit(cohort, known)
    assert r2_score(target[90:], model.predict(cohort[90:])) > 0.5
    assert model.mean_ == pytest.approx(target[:90].mean())
    assert len(model.participant_ids_) == 90


def test_a_regressor_is_saved_and_refuses_what_it_cannot_use(cohort, tmp_path):
    age = cohort.phenotype["age"].to_numpy()
    model = SubjectGraphRegressor("MeanMLP", training=Training(**QUICK), device="cpu")
    fitted = clone(model).fit(cohort, age)
    loaded = SubjectGraphRegressor.load(fitted.save(tmp_path / "m"), device="cpu")
    assert np.array_equal(loaded.predict(cohort), fitted.predict(cohort))
    with pytest.raises(ValueError, match="at least two different ones are needed"):
        model.fit(cohort, np.full(50, np.nan))
    with pytest.raises(ValueError, match="a regressor has no classes"):
        clone(model).set_params(training__balanced=True).fit(cohort, age)
    with pytest.raises(ValueError, match=r"y has shape \(3,\)"):
        model.fit(cohort, [1, 2, 3])


class TestContributions:
    def test_they_sum_to_one_and_what_is_lacking_is_zero(self):
        cohort = simulate_cohort(n_subjects=20, n_regions=6, n_volumes=(30, 30), random_state=0)
        matrices = static(cohort.timeseries)
        blind = matrices.copy()
        blind[3] = np.nan
        cohort = cohort.assign(connectivity={"fc": matrices, "other": blind})
        graphs = {"BrainGCN": {}, "second": {"network": "BrainGCN", "edges": "other"}}
        model = SubjectGraphClassifier(
            "GraphImagingNet",
            params={"graphs": graphs, "channels": 8},
            training=Training(max_epochs=1),
            n_members=2,
            device="cpu",
        ).fit(cohort, np.arange(20) % 2)
        shares = model.contributions(cohort)
        assert shares.columns.tolist() == ["BrainGCN", "second"]
        assert shares.index.tolist() == cohort.participant_ids
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
        assert shares["second"].iloc[3] == 0
        assert (shares["second"].drop(shares.index[3]) > 0).all()
        assert len(model.networks_) == 2

    def test_a_network_of_one_modality_has_none(self):
        cohort = simulate_cohort(n_subjects=20, n_regions=6, n_volumes=(30, 30), random_state=0)
        model = SubjectGraphClassifier(training=Training(max_epochs=1), device="cpu")
        with pytest.raises(ValueError, match="a MeanMLP fuses no modalities"):
            model.fit(cohort, np.arange(20) % 2).contributions(cohort)
