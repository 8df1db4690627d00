import hashlib
import json

import numpy as np
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.preprocessing import Edges


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=50, n_regions=8, random_state=4)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


SITE = "site02"


def make(**settings):
    settings = {"max_epochs": 10, "n_members": 1, "device": "cpu", **settings}
    return PopulationGraphClassifier(**settings)


@pytest.mark.parametrize("conv", ["gcn", "cheb", "sage", "gat"])
@pytest.mark.parametrize("n_neighbors", [None, 5])
def test_dense_and_sparse_agree(cohort, y, conv, n_neighbors):
    visible = np.where(np.arange(50) < 8, -1, y)
    dense, sparse = (
        make(conv=conv, n_neighbors=n_neighbors, layout=layout, dropout=0.0)
        .fit(cohort[:40], visible[:40])
        .predict_proba(cohort)
        for layout in ("dense", "sparse")
    )
    assert np.allclose(dense, sparse, atol=1e-5)


def test_a_convolution_of_pyg_by_name(cohort, y):
    model = make(conv="GraphConv", n_neighbors=5).fit(cohort, y)
    assert np.isfinite(model.predict_proba(cohort)).all()


def test_lbfgs_finds_the_optimum_that_scikit_learn_finds(cohort, y):
    """Without edges and layers it is logistic regression: C = 1 / (S * penalty of the contrast)."""
    features = make_pipeline(Edges(), StandardScaler())
    model = make(
        features=features, num_layers=0, combine="none", optimizer="lbfgs", max_epochs=10,
        skip_weight_decay=0.02, validation_fraction=0.0,
    ).fit(cohort, y)  # fmt: skip
    # two softmax columns of opposite sign share the contrast's penalty
    reference = LogisticRegression(C=1 / (50 * 0.01), tol=1e-8, max_iter=1000)
    x = features.fit_transform(cohort)
    assert np.allclose(model.predict_proba(cohort), reference.fit(x, y).predict_proba(x), atol=2e-4)


def test_the_graph_is_symmetric_without_loops(cohort, y):
    graph = make().fit(cohort, y).graph_.toarray()
    assert np.array_equal(graph, graph.T)
    assert (np.diag(graph) == 0).all()
    assert graph.min() >= 0
    assert graph.max() <= 3


def test_features_and_sigma_are_fitted_on_labelled_rows_only(cohort, y):
    """Wild unlabelled participants move neither the scaler nor the width of the similarity."""
    visible = np.where(np.arange(50) < 10, -1, y)
    wild = cohort.connectivity["fc"].copy()
    wild[:10] = 0.99
    models = [
        make(validation_fraction=0.0).fit(c, visible)
        for c in (cohort, cohort.assign(connectivity={"fc": wild}))
    ]
    means = [m._members[0].features[-1].mean_ for m in models]
    assert np.array_equal(means[0], means[1])
    assert models[0]._members[0].sigma == models[1]._members[0].sigma


def test_early_stopping_uses_a_split_of_the_training_rows(cohort, y):
    model = make(max_epochs=200, patience=3, refit=False, lr=0.05).fit(cohort, y)
    history = model.history_.loc[0]
    assert len(history) < 200
    assert history["validation"].notna().all()
    assert len(history) == history["validation"].idxmin() + 3


def test_several_members_are_averaged(cohort, y):
    model = make(n_members=3).fit(cohort, y)
    each = [m.predict_fitted()[0] for m in model._members]
    order = np.argsort(cohort.participant_ids)
    assert np.allclose(model.predict_proba(cohort[order]), np.mean(each, axis=0))
    assert not np.array_equal(each[0], each[1])
    assert model.history_.index.get_level_values("member").unique().tolist() == [0, 1, 2]


def test_three_classes_and_other_labels(cohort):
    labels = np.arange(50) % 3 + 4
    model = make().fit(cohort, labels)
    assert model.classes_.tolist() == [4, 5, 6]
    assert model.predict_proba(cohort).shape == (50, 3)
    assert set(model.predict(cohort)) <= {4, 5, 6}


def test_a_grid_search_over_its_parameters(cohort, y):
    search = GridSearchCV(make(), {"conv": ["gcn", "sage"]}, cv=StratifiedKFold(2))
    assert search.fit(cohort, y).best_params_["conv"] in ("gcn", "sage")


def test_the_global_random_state_is_left_alone(cohort, y):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    make().fit(cohort, y)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"validation_fraction": 15}, r"validation_fraction must be in \[0, 1\), got 15"),
        ({"shuffle": "labels"}, "shuffle must be one of .*got 'labels'"),
        ({"combine": "sum"}, "combine must be one of .*got 'sum'"),
        ({"conv": "cheby"}, "conv must be one of gcn, cheb, sage, gat.*got 'cheby'"),
        ({"layout": "csr"}, "layout must be one of"),
        ({"n_members": 0}, "n_members must be at least 1, got 0"),
        ({"optimizer": "sgd"}, "optimizer must be one of .*got 'sgd'"),
        ({"num_layers": 0, "linear_skip": False}, "no path would be left"),
        ({"categorical": ("scanner",)}, r"no phenotype \['scanner'\]"),
        ({"device": "cuda:99"}, "cannot be used on this machine"),
        ({"continuous": {"ADOS_TOTAL": 2.0}}, "ADOS_TOTAL"),
        ({"categorical": ("participant_id",)}, "participant_id"),
    ],
)
def test_settings_out_of_range_are_explained(cohort, y, settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings).fit(cohort, y)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones(50), "one class or none"),
        (np.array(["a", "b"] * 25), "must hold integers, got"),
        (np.full(50, np.nan), "missing or fractional"),
        (np.zeros(3), r"y has shape \(3,\), needed is \(50,\)"),
    ],
)
def test_labels_out_of_range_are_explained(cohort, labels, message):
    with pytest.raises(ValueError, match=message):
        make().fit(cohort, labels)


def test_diagnosis_in_disguise_can_be_insisted_on(cohort, y):
    score = cohort.phenotype.assign(ados_total=y * 10.0)
    leaky = cohort.assign(phenotype=score)
    model = make(continuous={"ados_total": 1.0}, categorical=(), allow_diagnostic=True)
    model.fit(leaky, y)


def test_features_that_are_not_finite_say_whose(cohort, y):
    spoilt = cohort.connectivity["fc"].copy()
    spoilt[3, 0, 1] = np.nan
    features = make_pipeline(Edges(), FunctionTransformer())
    with pytest.raises(ValueError, match=f"1 participants .*{cohort.participant_ids[3]}"):
        make(features=features).fit(cohort.assign(connectivity={"fc": spoilt}), y)


@pytest.mark.parametrize("rows", [slice(0, 5), slice(40, 50)])
def test_other_regions_are_refused_for_fitted_and_new_participants(cohort, y, rows):
    model = make().fit(cohort[:40], y[:40])
    renamed = cohort.regions.set_axis([*cohort.regions.index[:-1], "Somewhere"])
    with pytest.raises(ValueError, match=r"regions are not those of the fit.*Somewhere"):
        model.predict(cohort[rows].assign(regions=renamed))


def test_a_stranger_with_the_id_of_a_fitted_participant_is_refused(cohort, y):
    model = make().fit(cohort[:40], y[:40])
    strangers = simulate_cohort(n_subjects=50, n_regions=8, random_state=77)[:3]
    ids = cohort.phenotype.index[:3]
    strangers = strangers.assign(phenotype=strangers.phenotype.set_axis(ids))
    with pytest.raises(ValueError, match="3 participants have the id of a fitted participant"):
        model.predict_proba(strangers)


def test_the_regime_of_each_participant(cohort, y, tmp_path):
    visible = np.where(np.arange(40) < 5, -1, y[:40])
    model = make().fit(cohort[:40], visible)
    for fitted in (model, PopulationGraphClassifier.load(model.save(tmp_path / "m"))):
        regimes = fitted.regime(cohort[[0, 10, 45]])
        assert regimes.tolist() == ["transductive", "training", "inductive"]


def test_new_participants_without_an_edge_are_said(cohort, y):
    elsewhere = cohort.phenotype.assign(site="elsewhere")
    model = make(categorical=("site",), continuous={}).fit(cohort[:40], y[:40])
    with pytest.warns(UserWarning, match="2 new participants share no phenotype"):
        model.predict_proba(cohort.assign(phenotype=elsewhere)[40:42])


@pytest.mark.parametrize("regime", ["transductive", "inductive"])
def test_people_without_an_edge_are_predicted_and_told_why(cohort, y, regime):
    """A site edge alone, and everybody of one site held out: leave-one-site-out."""
    held_out = (cohort.phenotype["site"] == SITE).to_numpy()
    n_held_out = held_out.sum()
    model = make(categorical=("site",), continuous={})
    if regime == "transductive":  # they know each other, and nobody with a label
        with pytest.warns(UserWarning, match=f"their site {SITE}") as caught:
            proba = model.fit(cohort, np.where(held_out, -1, y)).predict_proba(cohort[held_out])
        expected = (
            f"{n_held_out} participants without a label are joined only to others without one "
            f"(nobody there has their site {SITE}): edges bring them nothing from those who are "
            "learnt from. Leave site out of categorical, and join them by a phenotype that is "
            "known everywhere, for example continuous={'age': 2.0}."
        )
    else:
        model.fit(cohort[~held_out], y[~held_out])
        with pytest.warns(UserWarning, match=f"their site {SITE}") as caught:
            proba = model.predict_proba(cohort[held_out])
        expected = (
            f"{n_held_out} new participants share no phenotype with any fitted one (nobody there "
            f"has their site {SITE}) and are predicted from their own features alone. Leave site "
            "out of categorical, and join them by a phenotype that is known everywhere, for "
            "example continuous={'age': 2.0}."
        )
    assert [str(warning.message) for warning in caught] == [expected]
    assert np.allclose(proba.sum(axis=1), 1)
    assert proba[:, 0].std() > 0


def test_the_only_one_of_a_site_is_isolated(cohort, y):
    site = cohort.phenotype["site"].where(np.arange(50) != 7, "elsewhere")
    model = make(categorical=("site",), continuous={})
    with pytest.warns(UserWarning, match=r"1 of 50 participants.*their site elsewhere\).*Leave"):
        model.fit(cohort.assign(phenotype=cohort.phenotype.assign(site=site)), y)
    assert model.n_isolated_ == 1


def test_sites_that_were_held_out_are_no_matter_where_age_joins(cohort, y, recwarn):
    held_out = (cohort.phenotype["site"] == SITE).to_numpy()
    known = cohort.assign(phenotype=cohort.phenotype.assign(age=20.0))
    make(categorical=("site",)).fit(known[~held_out], y[~held_out]).predict_proba(known[held_out])
    make(categorical=("site",)).fit(known, np.where(held_out, -1, y))
    assert not recwarn.list


class TestShuffled:
    """The same network with shuffled edges, and with features of somebody else."""

    @pytest.fixture(params=["edges", "features"])
    def shuffled(self, request):
        return make(shuffle=request.param)

    def test_degrees_are_kept_and_others_are_joined(self, cohort, y):
        plain, rewired = (make(shuffle=how).fit(cohort, y).graph_ for how in ("none", "edges"))
        assert np.array_equal((plain != 0).sum(axis=1), (rewired != 0).sum(axis=1))
        assert (plain != 0).multiply(rewired != 0).sum() < 0.8 * plain.nnz
        assert np.array_equal(rewired.toarray(), rewired.toarray().T)

    def test_edges_stay_where_features_are_permuted(self, cohort, y):
        plain, permuted = (make(shuffle=how).fit(cohort, y) for how in ("none", "features"))
        assert (plain.graph_ != permuted.graph_).nnz == 0
        (member,) = permuted._members
        carries = member.carries.numpy()
        assert np.array_equal(np.sort(carries), np.arange(50))
        assert (carries != np.arange(50)).all()
        assert torch.equal(member.x, plain._members[0].x)

    def test_without_edges_everybody_is_alone(self, cohort, y, shuffled):
        assert shuffled.set_params(combine="none").fit(cohort, y).graph_.nnz == 0

    def test_row_order_changes_nothing(self, cohort, y, rng, shuffled):
        visible, order = np.where(np.arange(50) % 3 == 0, -1, y), rng.permutation(50)
        straight = shuffled.fit(cohort[:40], visible[:40]).predict_proba(cohort)
        rows = order[order < 40]
        again = clone(shuffled).fit(cohort[rows], visible[rows])
        assert np.array_equal(again.predict_proba(cohort), straight)

    def test_hidden_labels_change_nothing(self, cohort, y, shuffled):
        hidden = np.arange(50) % 4 == 0
        predictions = []
        for truth in (y, 1 - y):
            table = cohort.phenotype.assign(diagnosis=np.where(hidden, truth, y))
            model = clone(shuffled).fit(cohort.assign(phenotype=table), np.where(hidden, -1, y))
            predictions.append(model.predict_proba(cohort))
        assert np.array_equal(*predictions)

    def test_a_new_participant_is_predicted_alike_in_any_company(self, cohort, y, shuffled):
        model = shuffled.fit(cohort[:40], y[:40])
        together = model.predict_proba(cohort[40:])
        alone = np.concatenate([model.predict_proba(cohort[i]) for i in range(40, 50)])
        assert np.allclose(together, alone, atol=1e-6)

    def test_saved_and_loaded(self, cohort, y, shuffled, tmp_path):
        model = shuffled.fit(cohort[:40], y[:40])
        loaded = PopulationGraphClassifier.load(model.save(tmp_path / "m"))
        assert np.allclose(loaded.predict_proba(cohort), model.predict_proba(cohort), atol=1e-7)
        assert loaded.shuffle == model.shuffle

    def test_own_features_of_a_new_participant_count_only_for_edges(self, cohort, y):
        model = make(shuffle="features", combine="phenotype").fit(cohort[:40], y[:40])
        other = cohort.assign(connectivity={"fc": np.roll(cohort.connectivity["fc"], 1, axis=0)})
        assert np.array_equal(model.predict_proba(cohort[40:]), model.predict_proba(other[40:]))

    def test_a_graph_of_all_pairs_cannot_be_rewired(self, cohort, y):
        with pytest.warns(UserWarning, match="only 0% of the edges could be moved.*n_neighbors="):
            make(combine="similarity", shuffle="edges").fit(cohort, y)


class TestSavedModel:
    @pytest.fixture
    def folder(self, cohort, y, tmp_path):
        features = make_pipeline(Edges(), StandardScaler())
        return make(features=features, n_members=2).fit(cohort, y).save(tmp_path / "model")

    def test_numbers_of_numpy_are_kept(self, cohort, y, tmp_path):
        model = make(hidden_channels=np.int64(4), lr=np.float64(0.01)).fit(cohort, y)
        loaded = PopulationGraphClassifier.load(model.save(tmp_path / "m"))
        assert (loaded.hidden_channels, loaded.lr) == (4, 0.01)

    def test_no_pickle_is_written(self, folder):
        assert sorted(p.suffix for p in folder.iterdir()) == [
            ".json", ".safetensors", ".skops", ".tsv", ".tsv",
        ]  # fmt: skip

    def test_the_label_is_not_in_the_folder(self, folder):
        assert "diagnosis" not in (folder / "phenotype.tsv").read_text()

    @pytest.mark.parametrize("name", ["tensors.safetensors", "transformers.skops", "phenotype.tsv"])
    def test_a_tampered_file_is_refused(self, folder, name):
        content = bytearray((folder / name).read_bytes())
        content[-5] ^= 1
        (folder / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} was changed after the model was saved"):
            PopulationGraphClassifier.load(folder)

    def test_a_missing_file_is_named(self, folder):
        (folder / "history.tsv").unlink()
        with pytest.raises(FileNotFoundError, match=r"lacks its file history\.tsv"):
            PopulationGraphClassifier.load(folder)

    def test_code_of_a_stranger_is_refused(self, folder):
        skops.io.dump({"features": FunctionTransformer(json.loads)}, folder / "transformers.skops")
        facts = json.loads((folder / "model.json").read_text())
        content = (folder / "transformers.skops").read_bytes()
        facts["sha256"]["transformers.skops"] = hashlib.sha256(content).hexdigest()
        del facts["checksum"]
        text = json.dumps(facts, sort_keys=True)
        facts["checksum"] = hashlib.sha256(text.encode()).hexdigest()
        (folder / "model.json").write_text(json.dumps(facts))
        with pytest.raises(ValueError, match=r"holds \['json.*could run code"):
            PopulationGraphClassifier.load(folder)

    def test_what_could_not_be_loaded_is_not_saved(self, cohort, y, tmp_path):
        model = make(features=make_pipeline(Edges(), FunctionTransformer(np.sort))).fit(cohort, y)
        with pytest.raises(ValueError, match=r"holds \['numpy.sort'\]"):
            model.save(tmp_path / "model")
        assert not (tmp_path / "model").exists()

    def test_a_folder_that_is_no_model_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="brainograph fit CONFIG"):
            PopulationGraphClassifier.load(tmp_path)
