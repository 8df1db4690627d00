from itertools import product

import numpy as np
import pytest
import torch
from sklearn.preprocessing import PolynomialFeatures
from torch import nn

from brainograph.estimators import SubjectGraphClassifier, Training
from brainograph.nn import BrainBatch, GraphImagingNet
from brainograph.nn.losses import classification_loss

R = 8
GCN = {"hidden_channels": 8, "concat_channels": 2}
SFCN = {"encoder": "SFCN", "channels": [4], "out_channels": 8}
SMALL = {"graphs": {"BrainGCN": GCN}, "images": {"pet": SFCN}, "n_phenotypes": 2, "channels": 8}
FUSIONS = [
    *({"fusion": f} for f in ("concat", "add", "tensor", "gated", "cross_attention")),
    {"fusion": "hierarchical", "stages": {"BrainGCN": ["norms.0"], "pet": ["blocks.0"]}},
    *({"fusion": None, "late": how} for how in ("max", "mean", "product", "weighted", "stacking")),
    {"fusion": "gated", "late": "mean"},
]
SUBSETS = [s for s in product([True, False], repeat=3) if any(s)]
NAMES = ("connectivity/fc", "images/pet", "phenotypes")


def people(n=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return BrainBatch(
        connectivity={"fc": torch.rand(n, R, R, generator=generator)},
        images={"pet": torch.randn(n, 1, 12, 12, 12, generator=generator)},
        phenotypes=torch.randn(n, 2, generator=generator),
    )


def lacking(fill=0.0):
    """Seven participants, each with another subset of the three modalities."""
    batch, present = people(), torch.tensor(SUBSETS)
    batch.present = {name: present[:, m] for m, name in enumerate(NAMES)}
    batch.connectivity["fc"][~present[:, 0]] = fill
    batch.images["pet"][~present[:, 1]] = fill
    batch.phenotypes[~present[:, 2]] = fill
    return batch, present


Y = torch.tensor([0, 1, 0, 1, 0, 1, 1])


@pytest.fixture(params=FUSIONS, ids=str)
def network(request):
    torch.manual_seed(0)
    return GraphImagingNet(R, 2, **SMALL, **request.param).eval()


def test_any_subset_is_predicted_and_what_is_absent_does_not_matter(network):
    logits = network(lacking()[0])
    assert logits.isfinite().all()
    for fill in (1e6, torch.nan):
        assert torch.equal(network(lacking(fill)[0]), logits)


def test_masking_a_modality_equals_not_having_it(network):
    """Each participant gets the same logits from a batch that has no more than they have."""
    batch, present = lacking(torch.nan)
    with torch.no_grad():
        together, contributions = network(batch), network.contributions(batch)
        for i, has in enumerate(present):
            alone = batch[[i]]
            for m, member in enumerate(("connectivity", "images", "phenotypes")):
                if not has[m]:
                    setattr(alone, member, {} if m < 2 else None)
            torch.testing.assert_close(network(alone)[0], together[i])
    torch.testing.assert_close(contributions.sum(dim=1), torch.ones(7))
    assert not contributions[~present].any()


def test_a_network_without_the_modality_says_the_same():
    torch.manual_seed(0)
    whole = GraphImagingNet(R, 2, **SMALL, fusion="gated").eval()
    smaller = GraphImagingNet(R, 2, **{**SMALL, "images": ()}, fusion="gated").eval()
    state = {
        name.replace(".2.", ".1.") if name.startswith("fusion") else name: weights
        for name, weights in whole.state_dict().items()
        if "pet" not in name and not (name.startswith("fusion") and ".1." in name)
    }
    smaller.load_state_dict(state)
    batch = people()
    batch.present = {"images/pet": torch.zeros(7, dtype=torch.bool)}
    torch.testing.assert_close(whole(batch), smaller(batch))


def test_the_loss_of_participants_who_lack_modalities_is_finite(network):
    network.train()
    network.modality_dropout = 0.3
    for weight in ("similarity", "contrastive", "discriminative"):
        setattr(network, f"{weight}_weight", 0.1)
    network.loss(lacking(torch.nan)[0], Y).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_nobody_without_any_modality():
    batch, _ = lacking()
    batch.present = {name: there.clone() for name, there in batch.present.items()}
    for there in batch.present.values():
        there[[2, 5]] = False
    with pytest.raises(ValueError, match=r"2 participants have no modality at all: rows \[2, 5\]"):
        GraphImagingNet(R, 2, **SMALL)(batch)


def test_modality_dropout_is_for_training_only():
    torch.manual_seed(0)
    network = GraphImagingNet(R, 2, **SMALL, dropout=0.0, modality_dropout=0.5)
    for part in network.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    batch = people()
    assert not torch.equal(network(batch), network(batch))
    network.eval()
    assert torch.equal(network(batch), network(batch))


def test_terms_add_up():
    """Each weight adds its term, and nothing else, to the cross-entropy."""
    batch = people()

    def loss(**weights):
        torch.manual_seed(0)
        return GraphImagingNet(R, 2, **SMALL, **weights).eval().loss(batch, Y)

    plain = loss()
    torch.manual_seed(0)
    network = GraphImagingNet(R, 2, **SMALL).eval()
    torch.testing.assert_close(plain, nn.functional.cross_entropy(network(batch), Y))
    for name in ("similarity_weight", "contrastive_weight", "discriminative_weight"):
        once, twice = loss(**{name: 1.0}), loss(**{name: 2.0})
        assert once > plain
        torch.testing.assert_close(twice - once, once - plain)
    focal = classification_loss(network(batch), Y, kind="focal", sharpness=1.0)
    torch.testing.assert_close(loss(loss="focal", sharpness=1.0), focal)
    weighted = nn.functional.cross_entropy(network(batch), Y, weight=torch.tensor([1.0, 4.0]))
    torch.testing.assert_close(loss(class_weights=[1, 4]), weighted)


def test_adaptive_weights_favour_the_modality_that_does_well():
    torch.manual_seed(0)
    params = {**SMALL, "auxiliary_weight": 1.0, "dropout": 0.0}
    network = GraphImagingNet(R, 2, **params).eval()
    features = [torch.randn(7, 8) for _ in range(3)]
    present = torch.ones(7, 3, dtype=torch.bool)
    losses = torch.stack(
        [nn.functional.cross_entropy(h(x), Y) for h, x in zip(network.heads, features, strict=True)]
    )
    torch.testing.assert_close(network._auxiliary(features, present, Y), losses.mean())
    network.adaptive_temperature = 0.2
    expected = ((-losses / 0.2).softmax(0) * losses).sum()
    torch.testing.assert_close(network._auxiliary(features, present, Y), expected)
    assert expected < losses.mean()


def test_an_encoder_keeps_its_own_loss():
    """MSTGC with an image branch is MSTGC's loss plus that of the fusion."""
    batch = people()
    batch.series, batch.lengths = torch.randn(7, 60, R), torch.full((7,), 60)
    torch.manual_seed(0)
    network = GraphImagingNet(R, 2, **{**SMALL, "graphs": {"MSTGC": {"dropout": 0.0}}}).eval()
    own = network.branches["MSTGC"].encoder.network.loss(batch, Y)
    fused = nn.functional.cross_entropy(network(batch), Y)
    torch.testing.assert_close(network.loss(batch, Y), fused + own)
    network.encoder_weight = 0.0
    torch.testing.assert_close(network.loss(batch, Y), fused)
    assert network.min_volumes == 30
    assert network.reads == ("series", "images/pet", "phenotypes")


def test_interactions_are_those_of_scikit_learn():
    x = torch.randn(7, 4)
    network = GraphImagingNet(R, 2, graphs=(), n_phenotypes=4, phenotype_interactions=True)
    expected = PolynomialFeatures(2, interaction_only=True, include_bias=False).fit_transform(x)
    ours = network.branches["phenotypes"].encoder.expanded(x)
    assert np.allclose(ours, expected)
    assert network(BrainBatch(phenotypes=x)).shape == (7, 2)


def test_decisions_are_weighed_by_participants_not_learnt_from():
    """One modality is right and one is not; the weights come from batches of any size."""
    torch.manual_seed(0)
    params = {**SMALL, "fusion": None, "late": "weighted"}
    network = GraphImagingNet(R, 2, **params).eval()
    batch, _ = lacking()
    y = network._decisions(network._encode(batch).features)[2].argmax(1)
    network.heads[2].weight.data *= 20
    network.fit_late([(batch, y)])
    once = network.late.scores.clone()
    network.fit_late([(batch[:3], y[:3]), (batch[3:], y[3:])])
    torch.testing.assert_close(network.late.scores, once)
    assert once.argmax() == 2
    with pytest.raises(ValueError, match="no decisions to weigh"):
        GraphImagingNet(R, 2, **SMALL).fit_late([(batch, y)])


def test_stages_are_fused_before_the_end():
    network = GraphImagingNet(R, 2, **SMALL, **FUSIONS[5])
    assert network.fusion.stages == ((8, 8), (8, 8), (8,))
    batch = people()
    network.loss(batch, Y).backward()
    assert network.branches["BrainGCN"].project[0][0].weight.grad.any()
    assert network.branches["pet"].project[0][0].weight.shape == (8, 4)


def test_images_can_be_channels_of_one_encoder():
    batch = people()
    batch.images["T1w"] = torch.randn(7, 1, 12, 12, 12)
    network = GraphImagingNet(R, 2, graphs=(), images={"T1w+pet": SFCN}, channels=8).eval()
    assert network.reads == ("images/T1w", "images/pet")
    assert network(batch).shape == (7, 2)
    batch.present = {"images/pet": torch.tensor([True] * 6 + [False])}
    with pytest.raises(ValueError, match=r"no modality at all: rows \[6\]"):
        network(batch)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"graphs": ["GCN"]}, r"graphs must be named after one of \['BNT'|'BrainGCN'.*got 'GCN'"),
        ({"graphs": ["GraphImagingNet"]}, "got 'GraphImagingNet'"),
        ({"graphs": {"BrainGCN": {"width": 3}}}, r"BrainGCN has no parameter \['width'\]"),
        ({"images": {"T1w": "ResNet11"}}, "encoder must be one of .*got 'ResNet11'"),
        ({"images": {"T1w": {"depth": 3}}}, r"SFCN has no parameter \['depth'\]"),
        ({"graphs": (), "images": ()}, "there is no modality"),
        ({"images": {"BrainGCN": "SFCN"}}, "must have names of their own"),
        ({"fusion": None}, "nothing is fused"),
        ({"fusion": "sum"}, "fusion must be one of"),
        ({"late": "vote"}, "late must be one of"),
        ({"fusion": "gated", "stages": {"BrainGCN": ["norms.0"]}}, 'write fusion="hierarchical"'),
        ({"fusion": "hierarchical", "stages": {"BrainGCN": ["blocks.9"]}}, "has no part"),
        (
            {"fusion": "hierarchical", "stages": {"pet": ["blocks.9"]}},
            r"stages must name some of \['BrainGCN'\], got \['pet'\]",
        ),
        ({"loss": "hinge"}, "loss must be one of .*got 'hinge'"),
        ({"class_weights": [1, 2, 3]}, "class_weights must be 2 numbers"),
        ({"modality_dropout": 1.0}, r"modality_dropout must be in \[0, 1\), got 1.0"),
    ],
)
def test_bad_input(params, message):
    with pytest.raises(ValueError, match=message):
        GraphImagingNet(R, 2, **params)


def test_a_tensor_that_would_not_fit():
    many = {name: {"network": "BrainGCN", **GCN} for name in "abcd"}
    with pytest.raises(MemoryError, match=r"17,850,625 products.*Write rank=8"):
        GraphImagingNet(R, 2, graphs=many, fusion="tensor")
    GraphImagingNet(R, 2, graphs=many, fusion="tensor", fusion_params={"rank": 8})


def test_numbers_and_mixtures():
    batch, number = people(), torch.randn(7)
    network = GraphImagingNet(R, 1, **SMALL).eval()
    expected = (network(batch)[:, 0] - number).square().mean()
    torch.testing.assert_close(network.loss(batch, number), expected)
    with pytest.raises(ValueError, match="numbers are predicted: leave loss"):
        GraphImagingNet(R, 1, **SMALL, loss="focal")
    mixed = torch.rand(7, 2).softmax(1)
    assert GraphImagingNet(R, 2, **SMALL, loss="focal").loss(batch, mixed).isfinite()
    with pytest.raises(ValueError, match=r"need one class for each participant.*\(MixUp\)"):
        GraphImagingNet(R, 2, **SMALL, contrastive_weight=0.1).loss(batch, mixed)


def test_the_estimator_saves_it_with_its_parameters(tmp_path):
    """Hyper-parameters are what JSON and YAML can hold; two graphs of one cohort need no files."""
    from brainograph.datasets import simulate_cohort

    cohort = simulate_cohort(n_subjects=24, n_regions=R, random_state=0)
    y = cohort.phenotype["diagnosis"].to_numpy()
    params = {
        "graphs": {"BrainGCN": GCN, "mlp": {"network": "MeanMLP", "hidden_channels": 8}},
        "channels": 8,
        "fusion": "cross_attention",
        "fusion_params": {"heads": 2},
        "late": "mean",
        "auxiliary_weight": 0.2,
    }
    model = SubjectGraphClassifier(
        "GraphImagingNet",
        params=params,
        phenotypes=("age", "sex"),
        training=Training(max_epochs=2),
        device="cpu",
    ).fit(cohort, y)
    loaded = SubjectGraphClassifier.load(model.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(cohort), model.predict_proba(cohort))


def test_the_estimator_learns_from_participants_who_lack_an_image(tmp_path):
    """Some lack T1, some PET; those without PET are predicted as if no PET had ever been."""
    from brainograph.datasets import simulate_cohort, simulate_images

    people = simulate_cohort(n_subjects=16, n_regions=R, random_state=0)
    cohort = simulate_images(people, tmp_path / "images", resolution=8, missing=0.3)
    y = cohort.phenotype["diagnosis"].to_numpy()
    params = {
        "graphs": {"BrainGCN": GCN},
        "images": dict.fromkeys(("T1w", "pet"), SFCN),
        "channels": 8,
    }
    model = SubjectGraphClassifier(
        "GraphImagingNet", params=params, training=Training(max_epochs=1), device="cpu"
    ).fit(cohort, y)
    lacks = cohort.images["pet"].isna().to_numpy()
    assert 0 < lacks.sum() < 16
    scores = model.predict_proba(cohort)
    never = cohort.assign(images=cohort.images.assign(pet=None))
    again = model.predict_proba(never)
    np.testing.assert_allclose(again[lacks], scores[lacks], atol=1e-6)
    assert not np.allclose(again[~lacks], scores[~lacks], atol=1e-6)
