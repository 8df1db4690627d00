import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from brainograph.cohort import Cohort


@pytest.fixture
def cohort(rng):
    ids = [f"sub-{i:02d}" for i in range(12)]
    return Cohort(
        pd.DataFrame({"site": list("AB") * 6, "age": np.arange(12.0)}, index=ids),
        pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=["r1", "r2", "r3"]),
        timeseries=[rng.standard_normal((20 + i, 3)).astype(np.float32) for i in range(12)],
        connectivity={"fc": rng.standard_normal((12, 3, 3))},
        measures={"thickness": rng.standard_normal((12, 3))},
        images=pd.DataFrame({"T1w": ["a.nii.gz"]}, index=["sub-03"]),
        failures=pd.DataFrame(
            {"participant_id": ["sub-99"], "source": ["x.nii.gz"], "reason": ["truncated"]}
        ),
        provenance={"source": "test"},
    )


def assert_same(a, b):
    pd.testing.assert_frame_equal(a.phenotype, b.phenotype, check_dtype=False)
    pd.testing.assert_frame_equal(a.regions, b.regions)
    pd.testing.assert_frame_equal(a.images, b.images)
    assert all(np.array_equal(x, y) for x, y in zip(a.timeseries, b.timeseries, strict=True))
    assert np.array_equal(a.connectivity["fc"], b.connectivity["fc"])
    assert np.array_equal(a.measures["thickness"], b.measures["thickness"])


@pytest.mark.parametrize(
    "key",
    [
        np.array([3, 1]),
        [3, 1],
        (np.array([3, 1]), Ellipsis),
        pd.Series([False, True, False, True] + [False] * 8),
        slice(3, 0, -2),
    ],
)
def test_every_member_is_sliced_alike(cohort, key):
    part = cohort[key]
    rows = [1, 3] if isinstance(key, pd.Series) else [3, 1]
    assert part.participant_ids == [f"sub-{i:02d}" for i in rows]
    assert [len(s) for s in part.timeseries] == [20 + i for i in rows]
    assert np.array_equal(part.connectivity["fc"], cohort.connectivity["fc"][rows])
    assert np.array_equal(part.measures["thickness"], cohort.measures["thickness"][rows])
    assert part.images["T1w"].notna().tolist() == [i == 3 for i in rows]
    assert len(part.failures) == 1


def test_one_position_gives_a_cohort_of_one(cohort):
    assert len(cohort[2]) == 1
    assert cohort[2].participant_ids == ["sub-02"]


def test_save_and_load_keep_everything_and_map_the_arrays(cohort, tmp_path):
    loaded = Cohort.load(cohort.save(tmp_path / "c"))
    assert_same(cohort, loaded)
    assert isinstance(loaded.connectivity["fc"], np.memmap)
    assert isinstance(loaded.timeseries[0].base, np.memmap)
    assert loaded.provenance == {"source": "test"}
    assert loaded.failures["reason"].tolist() == ["truncated"]
    assert loaded.fingerprint() == cohort.fingerprint()


def test_pickling_keeps_the_series(cohort, tmp_path):
    loaded = Cohort.load(cohort.save(tmp_path / "c"))
    for whole in (cohort, loaded, loaded[[5, 2]]):
        copy = pickle.loads(pickle.dumps(whole))
        assert_same(copy, whole)
    assert pickle.loads(pickle.dumps(cohort[[]])).timeseries == ()


def test_a_mapped_cohort_is_sent_as_one_map(cohort, tmp_path):
    loaded = Cohort.load(cohort.save(tmp_path / "c"))
    for part in (loaded, loaded[[5, 2]]):
        array, starts, stops = part.__getstate__()["timeseries"]
        assert isinstance(array, np.memmap)
        lengths = [len(one) for one in part.timeseries]
        assert (stops - starts).tolist() == lengths


def test_saving_over_something_needs_to_be_asked_for(cohort, tmp_path):
    cohort.save(tmp_path / "c")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        cohort.save(tmp_path / "c")
    cohort[:2].save(tmp_path / "c", overwrite=True)
    assert len(Cohort.load(tmp_path / "c")) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="not a cohort"):
        cohort.save(tmp_path / "mine", overwrite=True)


def test_a_cohort_can_be_saved_over_the_one_it_is_mapped_from(cohort, tmp_path):
    loaded = Cohort.load(cohort.save(tmp_path / "c"))
    extended = loaded.assign(connectivity={"twice": 2 * loaded.connectivity["fc"]})
    extended.save(tmp_path / "c", overwrite=True)
    again = Cohort.load(tmp_path / "c")
    assert sorted(again.connectivity) == ["fc", "twice"]
    assert_same(cohort, again)


def test_the_fingerprint_knows_the_data_and_not_the_order(cohort):
    assert cohort[::-1].fingerprint() == cohort.fingerprint()
    changed = cohort.assign(phenotype=cohort.phenotype.assign(age=0.0))
    assert changed.fingerprint() != cohort.fingerprint()
    series = [s.copy() for s in cohort.timeseries]
    series[0][0, 0] += 1
    assert cohort.assign(timeseries=series).fingerprint() != cohort.fingerprint()


def test_locate_finds_rows_by_id(cohort):
    assert cohort.locate(["sub-05", "nobody", "sub-00"]).tolist() == [5, -1, 0]


def test_shapes_that_do_not_fit_are_refused_with_both_shapes():
    phenotype = pd.DataFrame(index=["a", "b"])
    regions = pd.DataFrame(index=["r1", "r2"])
    with pytest.raises(ValueError, match=r"shape \(3, 2, 2\), needed is \(2, 2, 2\)"):
        Cohort(phenotype, regions, connectivity={"fc": np.zeros((3, 2, 2))})
    with pytest.raises(ValueError, match=r"series of b has shape \(9, 3\).*\(volumes, 2\)"):
        Cohort(phenotype, regions, timeseries=[np.zeros((9, 2)), np.zeros((9, 3))])
    with pytest.raises(ValueError, match="1 arrays for 2 participants"):
        Cohort(phenotype, regions, timeseries=[np.zeros((9, 2))])
    with pytest.raises(ValueError, match=r"\['a'\] more than once"):
        Cohort(pd.DataFrame(index=["a", "a"]), regions)
    with pytest.raises(ValueError, match=r"phenotype lacks: \['z'\]"):
        Cohort(phenotype, regions, images=pd.DataFrame({"T1w": ["x"]}, index=["z"]))


def test_a_folder_that_is_no_cohort_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="brainograph build SOURCE"):
        Cohort.load(tmp_path)


class FirstConnection(TransformerMixin, BaseEstimator):
    def __init__(self, scale=1.0):
        self.scale = scale

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return self.scale * X.connectivity["fc"][:, 0, 1:]


def test_a_cohort_goes_through_scikit_learn(cohort):
    y = np.array([0, 1] * 6)
    informative = np.zeros((12, 3, 3))
    informative[:, 0, 1] = y
    cohort = cohort.assign(connectivity={"fc": informative})
    model = make_pipeline(FirstConnection(), LogisticRegression())
    splitter = StratifiedKFold(3)
    assert cross_val_score(model, cohort, y, cv=splitter).tolist() == [1.0, 1.0, 1.0]
    search = GridSearchCV(model, {"firstconnection__scale": [0.0, 10.0]}, cv=splitter)
    assert search.fit(cohort, y).best_params_ == {"firstconnection__scale": 10.0}
    assert search.predict(cohort).tolist() == y.tolist()
