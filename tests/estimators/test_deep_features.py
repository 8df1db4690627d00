import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import FeatureUnion, make_pipeline

from brainograph.cohort import Cohort
from brainograph.estimators import SubjectGraphClassifier, SubjectGraphRegressor, Training
from brainograph.estimators.deep_features import DeepFeatures
from brainograph.model_selection import cross_validate, repeated_stratified
from brainograph.nn import BrainBatch, ImageAutoencoder
from brainograph.preprocessing import Phenotypes

N = 60
ENCODER = {"channels": (8, 16), "out_channels": 8}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Volumes of 12 voxels a side: a bright block whose size tells patients, older ones darker."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("volumes")
    y, age = np.arange(N) % 2, rng.uniform(50, 80, N)
    paths = []
    for i in range(N):
        volume = 0.2 * rng.standard_normal((12, 12, 12))
        volume[9:] -= 0.05 * (age[i] - 65)
        volume[2 : 6 + 3 * y[i], 2:8, 2:8] += 2
        paths.append(str(folder / f"{i}.nii"))
        nib.save(nib.Nifti1Image(volume.astype(np.float32), np.eye(4)), paths[-1])
    ids = [f"sub-{i:02}" for i in range(N)]
    phenotype = pd.DataFrame({"diagnosis": y, "age": age, "sex": list("mf") * 30}, index=ids)
    return Cohort(phenotype, pd.DataFrame(index=[]), images=pd.DataFrame({"T1w": paths}, index=ids))


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy()


def model(network="ImagingNet", *, kind=SubjectGraphClassifier, max_epochs=12, **settings):
    training = Training(lr=0.005, max_epochs=max_epochs, batch_size=16, validation_fraction=0.0)
    params = {"encoder_params": ENCODER, "dropout": 0.0, **settings.pop("params", {})}
    return kind(network, params=params, training=training, device="cpu", **settings)


def autoencoder(**settings):
    params = {"decoder_channels": (16, 8)}
    return model("ImageAutoencoder", params=params, **settings)


def test_features_are_what_the_last_layer_is_given(cohort, y):
    deep = DeepFeatures(model(n_members=2, max_epochs=2)).fit(cohort, y)
    features = deep.transform(cohort)
    assert features.shape == (N, 16)
    assert deep.get_feature_names_out()[[0, -1]].tolist() == ["deepfeatures0", "deepfeatures15"]
    for m, logits in enumerate(deep.estimator_._outputs(cohort)):
        head = deep.estimator_._members[m].head
        said = head(torch.from_numpy(features[:, 8 * m : 8 * m + 8]).float())
        assert np.allclose(said.detach(), logits, atol=1e-5)
    assert deep.transform(cohort[:0]).shape == (0, 16)
    with pytest.raises(ValueError, match="a cohort of nobody has no embedding"):
        deep.estimator_.embed(cohort[:0])


def test_two_stages_with_phenotypes_beside(cohort, y):
    features = FeatureUnion([("deep", DeepFeatures(model())), ("who", Phenotypes(["age", "sex"]))])
    two = make_pipeline(features, HistGradientBoostingClassifier(min_samples_leaf=5))
    probability = two.fit(cohort[:40], y[:40]).predict_proba(cohort[40:])[:, 1]
    assert roc_auc_score(y[40:], probability) > 0.85


def test_cross_validation_takes_the_pipeline(cohort, y):
    two = make_pipeline(DeepFeatures(model(max_epochs=6)), LogisticRegression())
    splits = repeated_stratified(cohort, y, n_splits=2, n_repeats=1, by=[], random_state=0)
    predictions = cross_validate(two, cohort, y, splits=splits, progress=False).predictions
    assert len(predictions) == N
    assert roc_auc_score(predictions["y_true"], predictions["y_score"]) > 0.8


def test_hidden_rows_are_not_looked_at(cohort, y):
    """Not even their files: they need not be there."""
    visible = np.where(np.arange(N) < 40, y, -1)
    images = cohort.images.copy()
    images.iloc[40:] = "nowhere.nii"
    broken = cohort.assign(images=images)
    for target in ("y", "nothing", "sex"):
        deep = DeepFeatures(autoencoder(max_epochs=1), target=target)
        first = deep.fit(cohort, visible).transform(cohort[:5])
        assert np.array_equal(deep.fit(broken, visible).transform(cohort[:5]), first)


def test_another_label_is_learnt(cohort, y):
    network = model(kind=SubjectGraphRegressor, max_epochs=15)
    deep = DeepFeatures(network, target="age").fit(cohort[:40], y[:40])
    found = deep.estimator_.predict(cohort[40:])
    assert np.corrcoef(found, cohort.phenotype["age"][40:])[0, 1] > 0.5
    sex = DeepFeatures(model(max_epochs=1), target="sex").fit(cohort)
    assert sex.estimator_.classes_.tolist() == [0, 1]


def test_what_cannot_be_learnt_is_refused(cohort):
    with pytest.raises(ValueError, match='target="y" needs labels and there are none'):
        DeepFeatures(model()).fit(cohort)
    with pytest.raises(ValueError, match=r"or a phenotype, got 'iq'; the cohort has \['diagnosis'"):
        DeepFeatures(model(), target="iq").fit(cohort)


def test_an_autoencoder_learns_the_images_without_labels(cohort, y):
    """A classifier of what it has learnt finds the patients."""
    deep = DeepFeatures(autoencoder(max_epochs=25), target="nothing")
    two = make_pipeline(deep, LogisticRegression()).fit(cohort[:40], y[:40])
    history = deep.fit(cohort[:40]).estimator_.history_["loss"]
    assert history.iloc[-1] < 0.6 * history.iloc[0]
    assert roc_auc_score(y[40:], two.predict_proba(cohort[40:])[:, 1]) > 0.8


def test_the_drawn_image_and_both_losses_by_hand():
    network = ImageAutoencoder(0, 2, encoder_params=ENCODER, decoder_channels=(8, 4), weight=0.5)
    batch = BrainBatch(images={"T1w": torch.randn(3, 1, 16, 16, 16)})
    coarse = torch.nn.functional.avg_pool3d(batch.images["T1w"], 2)
    network.eval()
    drawn = network.reconstruct(batch)
    assert drawn.shape == coarse.shape
    misdrawn = (drawn - coarse).square().mean()
    assert torch.allclose(network.pretraining_loss(batch), misdrawn)
    labels = torch.tensor([0, 1, 1])
    entropy = torch.nn.functional.cross_entropy(network(batch), labels)
    assert torch.allclose(network.loss(batch, labels), entropy + 0.5 * misdrawn)
    with pytest.raises(ValueError, match=r"Write decoder_channels=\(64, 32, 16\)"):
        ImageAutoencoder(0, 2, decoder_channels=())


def test_the_encoder_of_an_autoencoder_is_taken(cohort, y, tmp_path):
    folder = autoencoder(max_epochs=2).fit(cohort, np.full(N, -1)).save(tmp_path / "drawn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tuned = model(pretrained=folder, freeze=("encoder.",), max_epochs=2).fit(cohort, y)
    before = SubjectGraphClassifier.load(folder, device="cpu")._members[0].encoder.state_dict()
    after = tuned._members[0].encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    "encoder",
    [
        {"encoder": "MultiStreamCNN", "encoder_params": {"channels": (4,), "out_channels": 8}},
        {"encoder": "CompositeCNN", "encoder_params": {"channels": (4, 4), "out_channels": 8}},
    ],
)
def test_weights_of_another_architecture_are_refused(cohort, y, tmp_path, encoder):
    """The last layer fits, as it has eight inputs too, and is not enough."""
    folder = model(max_epochs=1).fit(cohort, y).save(tmp_path / "sfcn")
    message = r"holds a ImagingNet\(encoder_params=.*none of whose weights before the last layer"
    with pytest.raises(ValueError, match=message):
        model(pretrained=folder, params=encoder).fit(cohort, y)


def test_weights_of_another_size_are_named(cohort, y, tmp_path):
    folder = model(max_epochs=1).fit(cohort, y).save(tmp_path / "small")
    wider = {"encoder_params": {"channels": (8, 24), "out_channels": 8}}
    with pytest.warns(UserWarning, match=r"weights of .* have another shape .*encoder.blocks.1"):
        model(pretrained=folder, params=wider, max_epochs=1).fit(cohort, y)
