import numpy as np
import pandas as pd
import pytest

from brainograph.io import read_xcpd


def write_run(root, subject, run, *, name, data, regions=("a", "b", "c"), fd=0.1):
    folder = root / f"sub-{subject}" / "func"
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"sub-{subject}_task-rest_run-{run}"
    table = pd.DataFrame(data, columns=list(regions))
    table.to_csv(
        folder / f"{stem}_space-MNI_{name}_timeseries.tsv", sep="\t", index=False, na_rep="n/a"
    )
    motion = pd.DataFrame({"framewise_displacement": [np.nan, fd, fd], "rmsd": 0})
    motion.to_csv(folder / f"{stem}_motion.tsv", sep="\t", index=False, na_rep="n/a")
    outliers = pd.DataFrame({"framewise_displacement": [0, 1, 1]})
    outliers.to_csv(folder / f"{stem}_outliers.tsv", sep="\t", index=False)


@pytest.fixture(params=["atlas-Glasser", "seg-Glasser_stat-mean"])
def xcpd(request, tmp_path, rng):
    """Return the names before and since XCP-D 0.7."""
    root = tmp_path / "xcp_d"
    data = rng.standard_normal((10, 3))
    gap = data.copy()
    gap[:, 1] = np.nan
    gap[4] = np.nan
    write_run(root, "01", 1, name=request.param, data=data)
    write_run(root, "01", 2, name=request.param, data=gap, fd=0.3)
    write_run(root, "02", 1, name=request.param, data=data * 3 + 5)
    other = request.param.replace("Glasser", "Gordon")
    write_run(root, "02", 1, name=other, data=data)
    if "stat" in request.param:
        write_run(root, "02", 1, name="seg-Glasser_stat-alff", data=data)
    table = {"participant_id": ["sub-01", "sub-02", "sub-03"], "age": [1, 2, 3]}
    pd.DataFrame(table).to_csv(root / "participants.tsv", sep="\t", index=False)
    return root, data


def test_read_xcpd(xcpd):
    root, data = xcpd
    cohort = read_xcpd(root, atlas="Glasser")
    assert cohort.participant_ids == ["sub-01", "sub-02"]
    assert cohort.regions.index.tolist() == ["a", "b", "c"]
    assert [len(series) for series in cohort.timeseries] == [19, 10]
    z = (data - data.mean(0)) / data.std(0, ddof=1)
    np.testing.assert_allclose(cohort.timeseries[0][:10], z, atol=1e-6)
    np.testing.assert_allclose(cohort.timeseries[1], z, atol=1e-5)
    assert not cohort.timeseries[0][10:, 1].any()
    np.testing.assert_allclose(
        cohort.phenotype["mean_fd"], [(0.1 * 10 + 0.3 * 9) / 19, 0.1], rtol=1e-6
    )
    assert cohort.phenotype["n_outliers"]["sub-02"] == 2
    assert cohort.failures["participant_id"].tolist() == ["sub-03"]


def test_separate_and_raw(xcpd):
    root, data = xcpd
    cohort = read_xcpd(root, atlas="Glasser", runs="separate", standardize=False)
    assert cohort.participant_ids == ["sub-01_run-1", "sub-01_run-2", "sub-02_run-1"]
    np.testing.assert_allclose(cohort.timeseries[2], data * 3 + 5, rtol=1e-5)


def test_other_regions_and_gaps_are_failures(xcpd, rng):
    root, data = xcpd
    path = next((root / "sub-02" / "func").glob("*Glasser*timeseries.tsv"))
    pd.DataFrame(data, columns=["a", "b", "z"]).to_csv(path, sep="\t", index=False)
    holes = data.copy()
    holes[2, 0] = np.nan
    path = next((root / "sub-01" / "func").glob("*run-2*Glasser*timeseries.tsv"))
    pd.DataFrame(holes, columns=["a", "b", "c"]).to_csv(path, sep="\t", index=False, na_rep="n/a")
    if "stat" in path.name:
        (root / "sub-02" / "func").joinpath(path.name).unlink(missing_ok=True)
    cohort = read_xcpd(root, atlas="Glasser")
    assert cohort.participant_ids == ["sub-01"]
    reasons = cohort.failures["reason"].tolist()
    assert "1 of 30 values are missing or not finite" in reasons
    assert any(reason.endswith("not in both: c, z") for reason in reasons)


def test_unknown_atlas(xcpd):
    with pytest.raises(ValueError, match=r"atlas must be one of Glasser, Gordon, got 'aal'"):
        read_xcpd(xcpd[0], atlas="aal")
