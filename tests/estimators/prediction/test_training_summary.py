import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators.prediction.connectivity_range import ConnectivityRange
from brainograph.estimators.prediction.silence import silent_regions
from brainograph.estimators.prediction.training_summary import TrainingSummary


def cohort_of(matrices, **phenotype):
    n, n_regions = matrices.shape[:2]
    ids = pd.Index([f"s{i}" for i in range(n)], name="participant_id")
    regions = pd.DataFrame(index=[f"r{i}" for i in range(n_regions)])
    return Cohort(
        pd.DataFrame(phenotype, index=ids), regions, connectivity={"fc": np.asarray(matrices)}
    )


def draw(n, n_regions, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    z = rng.normal(shift, 0.2, (n, n_regions, n_regions))
    r = np.tanh((z + z.transpose(0, 2, 1)) / 2)
    r[:, np.arange(n_regions), np.arange(n_regions)] = 1
    return r


class TestConnectivityRange:
    def test_mean_deviation_and_distance_are_numpys(self):
        matrices = draw(150, 5, 0)  # more than are read at a time
        group = ConnectivityRange.of(cohort_of(matrices), "fc")
        i, j = np.triu_indices(5, 1)
        z = np.arctanh(matrices[:, i, j])
        np.testing.assert_allclose(group.mean, z.mean(0), atol=1e-10)
        np.testing.assert_allclose(group.scale, z.std(0, ddof=1), atol=1e-10)
        new = draw(3, 5, 1)
        x = (np.arctanh(new[:, i, j]) - z.mean(0)) / z.std(0, ddof=1)
        np.testing.assert_allclose(
            group.distance(cohort_of(new)), np.sqrt((x**2).mean(1)), atol=1e-9
        )

    def test_each_member_is_measured_against_the_others(self):
        matrices = draw(12, 4, 2)
        whole = ConnectivityRange.of(cohort_of(matrices), "fc")
        apart = []
        for row in range(12):
            others = cohort_of(np.delete(matrices, row, axis=0))
            group = ConnectivityRange.of(others, "fc")
            apart.append(group.distance(cohort_of(matrices[[row]]))[0])
        assert whole.usual == pytest.approx(np.quantile(apart, 0.99))

    def test_it_is_exceeded_by_one_in_a_hundred_of_the_same_kind_and_by_all_of_another(self):
        group = ConnectivityRange.of(cohort_of(draw(400, 6, 3)), "fc")
        alike = group.distance(cohort_of(draw(2000, 6, 4)))
        assert (alike > group.usual).mean() == pytest.approx(0.01, abs=0.01)
        assert (group.distance(cohort_of(draw(50, 6, 5, shift=0.5))) > group.usual).all()

    def test_covariances_are_not_transformed(self):
        matrices = 3 * draw(10, 4, 6)
        group = ConnectivityRange.of(cohort_of(matrices), "fc")
        assert not group.fisher_z
        i, j = np.triu_indices(4, 1)
        np.testing.assert_allclose(group.mean, matrices[:, i, j].mean(0))

    def test_who_lacks_connections_is_left_out_and_not_judged(self):
        matrices = draw(10, 4, 7)
        matrices[3] = np.nan
        with_gap = ConnectivityRange.of(cohort_of(matrices), "fc")
        without = ConnectivityRange.of(cohort_of(np.delete(matrices, 3, axis=0)), "fc")
        np.testing.assert_allclose(with_gap.mean, without.mean)
        distance = with_gap.distance(cohort_of(matrices))
        assert np.isnan(distance).tolist() == [i == 3 for i in range(10)]

    def test_a_connection_that_never_varies_does_not_count(self):
        matrices = draw(10, 4, 8)
        matrices[:, 0, 1] = matrices[:, 1, 0] = 0
        group = ConnectivityRange.of(cohort_of(matrices), "fc")
        assert np.isfinite(group.distance(cohort_of(draw(2, 4, 9)))).all()
        assert np.isfinite(group.usual)

    def test_three_participants_are_no_group(self):
        assert ConnectivityRange.of(cohort_of(draw(3, 4, 0)), "fc") is None

    def test_other_regions_are_refused(self):
        group = ConnectivityRange.of(cohort_of(draw(8, 4, 0)), "fc")
        with pytest.raises(ValueError, match="5 given, 4 needed"):
            group.distance(cohort_of(draw(2, 5, 0)))


class TestSilentRegions:
    def test_constant_series_and_empty_ones(self):
        cohort = simulate_cohort(n_subjects=3, n_regions=5, n_volumes=(20, 20))
        series = [np.array(one) for one in cohort.timeseries]
        series[0][:, 2] = 7.0
        series[1] = np.zeros((0, 5), dtype=np.float32)
        silent = silent_regions(cohort.assign(timeseries=series))
        names = cohort.regions.index.tolist()
        assert silent.tolist() == [[names[2]], names, []]

    def test_without_series_and_matrices_there_is_no_telling(self):
        assert silent_regions(Cohort(pd.DataFrame(index=["a"]), pd.DataFrame(index=["r"]))) is None


class TestTrainingSummary:
    @pytest.fixture
    def summary(self):
        table = {
            "age": [20.0, 30.0, 40.0, 50.0, 99.0], "sex": ["F", "M", "F", None, "X"],
            "site": ["a", "b", "a", "b", "z"], "mean_fd": [0.1, 0.2, 0.1, 0.2, 9.0],
        }  # fmt: skip
        cohort = cohort_of(draw(5, 4, 0), **table)
        return TrainingSummary.of(cohort, np.array([0, 1, 1, 0, -1]))

    def test_only_those_with_a_label_count(self, summary):
        assert summary.n_participants == 4
        assert summary.counts == {"0": 2, "1": 2}
        assert summary.ranges["age"] == (20.0, 50.0)
        assert summary.ranges["mean_fd"] == (0.0, pytest.approx(0.2))
        assert summary.levels == {"site": ["a", "b"], "sex": ["F", "M"]}

    def test_a_column_that_is_gone_is_not_known(self, summary):
        new = cohort_of(draw(1, 4, 0), site=["a"])
        said = summary.compare(new)["warnings"].item()
        assert said.startswith("age is not known; head motion is not known")
        assert "site" not in said

    def test_at_the_ends_of_a_range_nobody_is_warned_of(self, summary):
        new = cohort_of(draw(2, 4, 0), age=[20.0, 50.0], mean_fd=[0.0, 0.2], site="b", sex="M")
        said = summary.compare(new)["warnings"]
        assert [text for text in said if "connectivity" not in text] == ["", ""]

    def test_nothing_of_one_participant_is_written(self, summary, tmp_path):
        summary.save(tmp_path)
        text = "".join(path.read_text() for path in tmp_path.iterdir())
        assert "s0" not in text
        assert {path.name for path in tmp_path.iterdir()} == {
            "training.json", "training_connectivity.tsv",
        }  # fmt: skip
        assert TrainingSummary.load(tmp_path).ranges == summary.ranges
        assert TrainingSummary.load(tmp_path / "nowhere") is None
