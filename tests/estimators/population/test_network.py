"""The estimator of population networks; the contract of all estimators is tested elsewhere."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from torch import nn

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort, simulate_images
from brainograph.estimators import PopulationNetworkClassifier, Training, load_model
from brainograph.nn.population import PopulationNetwork

QUICK = Training(lr=0.01, max_epochs=3, batch_size=16)
GRAPHS = {"BrainGCN": {"hidden_channels": 8, "concat_channels": 2, "head_channels": 8}}
NETS = {
    "EHGCN": {"params": {"graphs": GRAPHS, "selection": "l1"}, "phenotypes": ["age", "sex"]},
    "MMGNN": {"params": {"modalities": ("connectivity/fc", "measures/thickness")}},
    "VMMDGCN": {"params": {"num_layers": 3, "hidden_channels": 16}, "phenotypes": ["age"]},
}
CASES = {
    **{name: {"network": name, **options} for name, options in NETS.items()},
    "sampled": {"network": "VMMDGCN", **NETS["VMMDGCN"], "n_sampled": (4, 2)},
    "staged": {"network": "EHGCN", **NETS["EHGCN"], "stages": "staged"},
}


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=44, n_regions=8, n_volumes=(40, 50), random_state=1)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


@pytest.fixture(params=sorted(CASES))
def model(request):
    return make(**CASES[request.param])


def make(network="MMGNN", **options):
    options = {"params": NETS["MMGNN"]["params"], **options} if network == "MMGNN" else options
    given = {"training": QUICK, "n_neighbors": 5, "device": "cpu", **options}
    return PopulationNetworkClassifier(network, **given)


def test_promises(model, cohort, y, tmp_path, rng):
    """What the contract asks of every estimator, of every network and way to train one."""
    hidden = np.where(np.arange(40) % 4 == 0, -1, y[:40])
    lying = cohort[:40].phenotype.assign(diagnosis=1 - y[:40])
    order = rng.permutation(40)
    fitted = clone(model).fit(cohort[:40], hidden)
    p = fitted.predict_proba(cohort)
    blind = clone(model).fit(cohort[:40].assign(phenotype=lying), hidden)
    assert np.array_equal(blind.predict_proba(cohort), p)
    shuffled = clone(model).fit(cohort[:40][order], hidden[order])
    assert np.array_equal(shuffled.predict_proba(cohort), p)
    assert np.array_equal(fitted.predict_proba(cohort[:40]), p[:40])
    alone = np.concatenate([fitted.predict_proba(cohort[[i]]) for i in range(40, 44)])
    assert np.allclose(alone, p[40:], atol=1e-6)
    loaded = load_model(fitted.save(tmp_path / "model"))
    assert np.allclose(loaded.predict_proba(cohort), p, atol=1e-7)
    assert loaded.regime(cohort).tolist() == fitted.regime(cohort).tolist()
    assert fitted.regime(cohort[[0, 1, 43]]).tolist() == ["transductive", "training", "inductive"]
    assert np.allclose(p.sum(axis=1), 1)


def test_a_graph_for_each_scale(cohort, y):
    model = make("VMMDGCN", **NETS["VMMDGCN"]).fit(cohort, y)
    assert len(model.graphs_) == 3
    for graph in model.graphs_:
        assert graph.shape == (44, 44)
        assert graph.diagonal().sum() == 0
        assert (graph.indptr[1:] - graph.indptr[:-1] >= 5).all()
    assert model.history_.loc[0, "validation"].notna().all()


@pytest.mark.parametrize("network", ["EHGCN", "VMMDGCN"])
def test_the_planted_effect_is_recovered(network):
    cohort = simulate_cohort(n_subjects=120, n_regions=10, random_state=2)
    y = cohort.phenotype["diagnosis"].to_numpy().astype(int)
    test = np.arange(120) % 3 == 0
    training = Training(lr=0.01, max_epochs=40, patience=40)
    model = make(network, training=training, n_neighbors=20).fit(cohort, np.where(test, -1, y))
    assert roc_auc_score(y[test], model.predict_proba(cohort[test])[:, 1]) > 0.8


def test_permuted_labels_give_chance():
    cohort = simulate_cohort(n_subjects=80, n_regions=6, n_volumes=(40, 50), random_state=3)
    y = cohort.phenotype["diagnosis"].to_numpy().astype(int)
    test, aucs = np.arange(80) % 2 == 0, []
    training = Training(lr=0.01, max_epochs=10, patience=10)
    for seed in range(4):
        permuted = np.random.default_rng(seed).permutation(y)
        model = make("VMMDGCN", params={"num_layers": 2}, training=training)
        model.fit(cohort, np.where(test, -1, permuted))
        aucs.append(roc_auc_score(permuted[test], model.predict_proba(cohort[test])[:, 1]))
    assert abs(np.mean(aucs) - 0.5) < 0.15


def test_members_and_classes_by_any_name(cohort, y):
    model = make(n_members=2, training=Training(lr=0.01, max_epochs=2, class_weight="balanced"))
    labels = np.where(np.arange(44) % 3 == 0, 7, 2 * y)
    model.fit(cohort, labels)
    assert model.classes_.tolist() == [0, 2, 7]
    assert model.history_.index.get_level_values("member").nunique() == 2
    assert set(model.predict(cohort)) <= {0, 2, 7}


def test_a_participant_may_lack_a_modality(cohort, y):
    thickness = cohort.measures["thickness"].copy()
    thickness[::5] = np.nan
    some = cohort.assign(measures={"thickness": thickness})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # nobody is alone: there is another modality
        model = make().fit(some[:40], y[:40])
        assert np.isfinite(model.predict_proba(some)).all()
    assert model.n_isolated_ == 0
    whole = np.full_like(thickness, np.nan)
    with pytest.raises(ValueError, match=r"nobody of the .* has 'measures/thickness'"):
        make().fit(cohort.assign(measures={"thickness": whole}), y)


def test_a_trained_network_takes_in_a_modality(cohort, y, tmp_path):
    first = make("EHGCN", params={"graphs": GRAPHS}).fit(cohort, y)
    folder = first.save(tmp_path / "first")
    params = {"graphs": {**GRAPHS, "thickness": {"network": "IGLCN", "n_neighbors": 3}}}
    still = Training(lr=1e-12, weight_decay=0.0, max_epochs=1, validation_fraction=0)
    more = make("EHGCN", params=params, training=still, pretrained=folder).fit(cohort, y)
    old, new = (m.networks_[0].state_dict() for m in (first, more))
    assert all(torch.allclose(new[name], weight, atol=1e-6) for name, weight in old.items())
    assert len(new) > len(old)


@pytest.mark.parametrize("how", [{"n_sampled": (3,)}, {"stages": "staged"}])
def test_images_that_some_lack_beside_brain_graphs(images, how, tmp_path):
    y = images.phenotype["diagnosis"].to_numpy().astype(int)
    encoder = {"encoder": "SFCN", "channels": (4, 4), "out_channels": 4}
    params = {"graphs": GRAPHS, "images": {"T1w": encoder, "pet": encoder}}
    training = Training(max_epochs=1, batch_size=4, validation_fraction=0)
    model = make("EHGCN", params=params, training=training, **how).fit(images[:13], y[:13])
    together = model.predict_proba(images[13:])
    alone = np.concatenate([model.predict_proba(images[[i]]) for i in range(13, len(images))])
    assert np.allclose(together, alone, atol=1e-5)
    loaded = load_model(model.save(tmp_path / "model"))
    assert np.allclose(loaded.predict_proba(images[13:]), together, atol=1e-6)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    people = simulate_cohort(n_subjects=16, n_regions=8, n_volumes=(40, 50))
    folder = tmp_path_factory.mktemp("simulated") / "images"
    cohort = simulate_images(people, folder, resolution=8, missing=0.3)
    assert cohort.images["pet"].isna().any()
    return cohort


def test_without_edges_everybody_is_alone(cohort, y):
    model = make(combine="none").fit(cohort[:40], y[:40])
    assert model.regimes == ("inductive",)
    assert model.graphs_[0].nnz == 0
    assert model.n_isolated_ == 0


def test_any_network_of_the_interface(cohort, y, tmp_path):
    model = make(Linear).fit(cohort, y)
    loaded = PopulationNetworkClassifier.load(model.save(tmp_path), network=Linear, device="cpu")
    assert np.allclose(loaded.predict_proba(cohort), model.predict_proba(cohort), atol=1e-7)


class Linear(PopulationNetwork):
    """A linear layer on regional thickness and that of neighbours."""

    reads = ("measures/thickness",)

    def __init__(self, n_regions, n_classes):
        super().__init__()
        self.linear = nn.Linear(n_regions, n_classes)

    def encode(self, batch):
        return batch.measures["thickness"]

    def propagate(self, h, join):
        graph = join(h)
        return self.linear(h + graph @ h)


def test_somebody_else_with_a_known_id_is_refused(cohort, y):
    model = make().fit(cohort[:40], y[:40])
    stranger = cohort.assign(
        connectivity={"fc": cohort.connectivity["fc"][::-1]}, measures=dict(cohort.measures)
    )
    with pytest.raises(ValueError, match="have the id of a fitted participant and other data"):
        model.predict_proba(stranger)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_sampled": 5}, r"n_sampled must name .* got 5. Write n_sampled=\(10, 5\)"),
        ({"n_sampled": (0,)}, "n_sampled must name"),
        ({"stages": "first"}, r"stages must be one of \('joint', 'staged'\), got 'first'"),
        ({"n_members": 0}, "n_members must be at least 1"),
        ({"training": Training(precision="bf16-mixed")}, "trained with precision='32-true'"),
        ({"combine": "sum"}, "combine must be one of"),
        ({"categorical": ["diagnosis"]}, "'diagnosis' looks like the diagnosis itself"),
        ({"phenotypes": ["age"], "network": Linear}, "does not read phenotypes"),
        ({"network": "GCN"}, r"network must be one of \['EHGCN'"),
        ({"params": {"depth": 3}}, r"MMGNN has no parameter \['depth'\]"),
    ],
)
def test_wrong_settings_are_refused(cohort, y, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options).fit(cohort, y)


def test_a_step_that_does_not_fit_says_what_to_write(cohort, y, monkeypatch):
    def no_room(network, batch):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Linear, "encode", no_room)
    with pytest.raises(MemoryError, match=r"Write n_sampled=\(10, 5\)"):
        make(Linear).fit(cohort, y)


def test_another_estimators_folder_is_refused(cohort, y, tmp_path):
    folder = make().fit(cohort, y).save(tmp_path / "model")
    with pytest.raises(ValueError, match="holds a MMGNN, not a Linear"):
        PopulationNetworkClassifier.load(folder, network=Linear)


def test_networks_of_two_parcellations_are_kept_apart_saved_and_checked(tmp_path):
    cohort = simulate_cohort(n_subjects=24, n_regions=8, random_state=0)
    other = simulate_cohort(n_subjects=24, n_regions=5, random_state=1)
    rng = np.random.default_rng(0)
    aparc = Cohort(
        cohort.phenotype,
        pd.DataFrame(index=list("vwxyz")),
        connectivity={"morph": np.asarray(other.connectivity["fc"])},
        measures={"area": rng.normal(size=(24, 5))},
    )
    cohort = cohort.assign(parcellations={"aparc": aparc})
    y = cohort.phenotype["diagnosis"].to_numpy()
    settings = {"training": Training(max_epochs=2, validation_fraction=0), "device": "cpu"}
    gcn = {"network": "BrainGCN", "edges": "aparc/morph", "n_regions": 5}
    modalities = ["connectivity/fc", "measures/aparc/area"]
    for name, params in (
        ("MMGNN", {"modalities": modalities, "regions": {"aparc": 5}}),
        ("EHGCN", {"graphs": {"fc": {"network": "BrainGCN"}, "morph": gcn}}),
    ):
        model = PopulationNetworkClassifier(name, params=params, **settings).fit(cohort, y)
        again = PopulationNetworkClassifier.load(model.save(tmp_path / name), device="cpu")
        np.testing.assert_allclose(
            again.predict_proba(cohort), model.predict_proba(cohort), rtol=1e-5
        )
        moved = aparc.assign(regions=aparc.regions[::-1])
        with pytest.raises(ValueError, match="regions are not those of the fit"):
            again.predict_proba(cohort.assign(parcellations={"aparc": moved}))
