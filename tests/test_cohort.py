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


@pytest.mark.parametrize("key", [(1, 2), (slice(None), [0, 1]), (Ellipsis, 1), ()])
def test_a_second_axis_is_refused(cohort, key):
    with pytest.raises(IndexError, match=r"participants only.*cohort\[rows\]"):
        cohort[key]
    assert cohort[np.nonzero(cohort.phenotype["age"] > 10)].participant_ids == ["sub-11"]


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


@pytest.mark.parametrize(
    "cut",
    [
        lambda s: s[:, :3],
        lambda s: s[:, 2:5],
        lambda s: s[::2, :3],
        lambda s: s[::-1],
        lambda s: s.T,
        lambda s: s.view(np.int32),
        lambda s: s[4:, ::2],
        lambda s: s[3:7],
        lambda s: s[:0],
    ],
)
def test_pickling_keeps_views(cut, tmp_path):
    whole = np.arange(64, dtype=np.float32).reshape(8, 8)
    regions = pd.DataFrame(index=[f"r{i}" for i in range(8)])
    ids = pd.DataFrame(index=["a", "b"])
    loaded = Cohort.load(Cohort(ids, regions, [whole, whole + 64]).save(tmp_path / "c"))
    for series in ([whole, whole], loaded.timeseries, [s.copy() for s in loaded.timeseries]):
        views = [cut(one) for one in series]
        n_regions = views[0].shape[1]
        for given in (views, views[:1]):
            made = Cohort(ids[: len(given)], regions[:n_regions], given)
            copy = pickle.loads(pickle.dumps(made))
            for one, other in zip(copy.timeseries, given, strict=True):
                np.testing.assert_array_equal(one, other, strict=True)


def test_names_that_look_like_numbers_stay_text(tmp_path):
    ids, names = ["0042", "1e5", "7", "NA"], ["017", "2001", "1.0", "nan"]
    cohort = Cohort(
        pd.DataFrame({"age": range(4)}, index=ids),
        pd.DataFrame({"label": range(4)}, index=names),
        images=pd.DataFrame({"T1w": ["a", "b", "c", "d"]}, index=ids),
        failures=pd.DataFrame({"participant_id": ["007"], "source": ["x"], "reason": ["y"]}),
    )
    loaded = Cohort.load(cohort.save(tmp_path / "c"))
    assert loaded.participant_ids == ids
    assert loaded.images.index.tolist() == ids
    assert loaded.regions.index.tolist() == names
    assert loaded.failures["participant_id"].tolist() == ["007"]
    assert loaded.fingerprint() == cohort.fingerprint()


@pytest.mark.parametrize(
    ("site", "text"),
    [
        ([1, 2], ["1", "2"]),
        ([1.0, np.nan], ["1", None]),
        ([2.5, 2.0], ["2.5", "2"]),
        (["01", None], ["01", None]),
        ([1, "A"], ["1", "A"]),
        (pd.Categorical([3, 4]), ["3", "4"]),
        (pd.array([1, None], dtype="Int64"), ["1", None]),
        ([None, None], [None, None]),
    ],
)
def test_sites_are_text(site, text, tmp_path):
    phenotype = pd.DataFrame({"site": site}, index=["a", "b"])
    cohort = Cohort(phenotype, pd.DataFrame(index=["r"]))
    loaded = Cohort.load(cohort.save(tmp_path / "c"))
    for one in (cohort, loaded):
        assert [None if pd.isna(s) else s for s in one.phenotype["site"]] == text
    assert loaded.fingerprint() == cohort.fingerprint()
    assert list(phenotype["site"].isna()) == [s is None for s in text]


@pytest.mark.parametrize(
    "column",
    [
        [1, 2],
        [1.0, np.nan],
        pd.array([1, None], dtype="Int64"),
        np.array([1, None], dtype=object),
        np.array([0.1, 0.3], dtype=np.float32),
        np.array(["f", None], dtype=object),
        [True, False],
    ],
)
def test_the_fingerprint_is_the_same_after_loading(column, tmp_path):
    phenotype = pd.DataFrame({"one": column, "age": [0.1 + 0.2, 1e-17]}, index=["a", "b"])
    cohort = Cohort(phenotype, pd.DataFrame(index=["r"]))
    assert Cohort.load(cohort.save(tmp_path / "c")).fingerprint() == cohort.fingerprint()


def test_a_phenotype_of_other_rows_is_not_put_beside_the_arrays(cohort):
    turned = cohort.phenotype[::-1]
    other = cohort.phenotype.set_axis(["sub-90", *cohort.participant_ids[1:]])
    for phenotype in (turned, turned.reset_index(), other, cohort.phenotype[:3]):
        with pytest.raises(ValueError, match=r"(?s)timeseries.*fc.*thickness.*\.loc\["):
            cohort.assign(phenotype=phenotype)
    with pytest.raises(ValueError, match=r": timeseries, measures\['thickness'\]\. Write"):
        cohort.assign(phenotype=turned, connectivity=cohort[::-1].connectivity)
    back = cohort[::-1]
    given = {"timeseries": back.timeseries, "measures": back.measures}
    moved = cohort.assign(phenotype=turned, connectivity=back.connectivity, **given)
    assert_same(moved, back)
    aligned = cohort.assign(phenotype=turned.loc[cohort.participant_ids])
    assert_same(aligned, cohort)


def test_everybody_may_be_renamed_and_bare_tables_reordered(cohort):
    names = [f"anon-{i}" for i in range(12)]
    bare = cohort.assign(images=pd.DataFrame())
    assert bare.assign(phenotype=cohort.phenotype.set_axis(names)).participant_ids == names
    table = Cohort(cohort.phenotype, cohort.regions, images=cohort.images)
    moved = table.assign(phenotype=cohort.phenotype[::-1])
    assert moved.images["T1w"].notna().tolist() == [i == 8 for i in range(12)]


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


class TestTheFingerprintOfImages:
    """What is in the files counts, and not where they are or when they were written."""

    @pytest.fixture
    def volume(self):
        return np.random.default_rng(0).bytes(300_000)

    def of(self, folder, content, **others):
        folder.mkdir()
        (folder / "a.nii").write_bytes(content)
        images = pd.DataFrame({"T1w": [str(folder / "a.nii"), None], **others}, index=["a", "b"])
        return Cohort(pd.DataFrame(index=["a", "b"]), pd.DataFrame(), images=images).fingerprint()

    def test_a_folder_may_move(self, volume, tmp_path):
        assert self.of(tmp_path / "one", volume) == self.of(tmp_path / "two", volume)

    @pytest.mark.parametrize("at", [0, 150_000, -1])
    def test_another_content(self, volume, tmp_path, at):
        other = bytearray(volume)
        for i in range(20_000 if at == 150_000 else 1):  # processed anew, not one voxel
            other[at + i] ^= 1
        assert self.of(tmp_path / "one", volume) != self.of(tmp_path / "two", bytes(other))

    def test_another_length_modality_or_owner(self, volume, tmp_path):
        path = str(tmp_path / "1" / "a.nii")
        found = {
            self.of(tmp_path / "1", volume),
            self.of(tmp_path / "2", volume[:-1]),
            self.of(tmp_path / "3", volume, pet=[None, path]),
            self.of(tmp_path / "4", volume, T1w=[None, path]),
            self.of(tmp_path / "5", volume, T1w=["nowhere.nii", None]),
            self.of(tmp_path / "6", volume, T1w=[None, None]),
        }
        assert len(found) == 6

    def test_a_cohort_without_images_is_as_before(self, cohort):
        bare = cohort.assign(images=pd.DataFrame())
        nobody = bare.assign(images=pd.DataFrame({"T1w": [None]}, index=["sub-03"]))
        assert bare.fingerprint() != cohort.fingerprint()
        assert bare.fingerprint() == nobody.fingerprint()


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


@pytest.fixture
def several(cohort, rng):
    """A cohort with another atlas of two regions and measures of one."""
    atlas = Cohort(
        cohort.phenotype,
        pd.DataFrame(index=["a", "b"]),
        timeseries=[rng.standard_normal((9 + i, 2)) for i in range(12)],
        connectivity={"fc": rng.standard_normal((12, 2, 2))},
    )
    surface = Cohort(
        pd.DataFrame(index=cohort.phenotype.index),
        pd.DataFrame(index=["insula"]),
        measures={"area": np.arange(12.0)[:, None]},
    )
    return cohort.assign(parcellations={"two": atlas, "aparc": surface})


def test_parcellations_are_sliced_and_share_the_phenotype(several):
    part = several[[7, 2]]
    assert list(part.parcellations) == ["two", "aparc"]
    two = part.parcellations["two"]
    assert [len(series) for series in two.timeseries] == [16, 11]
    assert np.array_equal(
        two.connectivity["fc"], several.parcellations["two"].connectivity["fc"][[7, 2]]
    )
    assert part.parcellations["aparc"].measures["area"].ravel().tolist() == [7.0, 2.0]
    for one in part.parcellations.values():
        pd.testing.assert_frame_equal(one.phenotype, part.phenotype)
    assert repr(several).endswith("parcellations two (2 regions), aparc (1 regions)")


def test_parcellations_are_saved_mapped_and_pickled(several, tmp_path):
    loaded = Cohort.load(several.save(tmp_path / "c"))
    two = loaded.parcellations["two"]
    assert list(loaded.parcellations) == ["two", "aparc"]
    assert isinstance(two.connectivity["fc"], np.memmap)
    assert isinstance(two.timeseries[3].base, np.memmap)
    assert Cohort.load(tmp_path / "c" / "parcellations" / "two").participant_ids == (
        several.participant_ids
    )
    for copy in (loaded, loaded[[3, 1]], pickle.loads(pickle.dumps(loaded[::-1]))):
        rows = copy.locate(several.participant_ids)
        for name in ("two", "aparc"):
            one, other = copy.parcellations[name], several.parcellations[name]
            for i, row in enumerate(rows):
                if row >= 0 and name == "two":
                    assert np.array_equal(one.timeseries[row], other.timeseries[i])
            assert one.regions.index.equals(other.regions.index)
    assert loaded.fingerprint() == several.fingerprint() == several[::-1].fingerprint()


def test_the_fingerprint_knows_the_parcellations(cohort, several):
    area = several.parcellations["aparc"].assign(measures={"area": np.zeros((12, 1))})
    prints = {
        cohort.fingerprint(),
        several.fingerprint(),
        several.assign(parcellations={"aparc": area}).fingerprint(),
        cohort.assign(parcellations={"three": several.parcellations["two"]}).fingerprint(),
    }
    assert len(prints) == 4


def test_parcellations_of_others_are_refused(cohort, several):
    two = several.parcellations["two"]
    with pytest.raises(ValueError, match=r"parcellations\['two'\] has the participants in another"):
        cohort.assign(parcellations={"two": two[::-1]})
    with pytest.raises(ValueError, match=r"other participants: 5, and the cohort 12.*merge"):
        cohort.assign(parcellations={"two": two[:5]})
    with pytest.raises(ValueError, match=r"of its own: two, aparc.*side by side"):
        cohort.assign(parcellations={"nested": several})


def test_a_new_phenotype_reaches_the_parcellations(several):
    older = several.assign(phenotype=several.phenotype.assign(age=50.0))
    assert older.parcellations["two"].phenotype["age"].eq(50).all()
    names = [f"anon-{i}" for i in range(12)]
    renamed = several.assign(phenotype=several.phenotype.set_axis(names), images=pd.DataFrame())
    assert renamed.parcellations["two"].participant_ids == names
    with pytest.raises(ValueError, match=r"parcellations\['two'\], parcellations\['aparc'\]"):
        several.assign(phenotype=several.phenotype[::-1])


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
