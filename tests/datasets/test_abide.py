import sys
from types import SimpleNamespace

import nilearn.datasets
import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.datasets import fetch_abide

IDS = ["0050003", "0050642", "0050952"]


@pytest.fixture
def asked(monkeypatch):
    """Take the place of the network and of the reader; keep what they were asked for."""
    asked = {}

    def fetch_abide_pcp(**options):
        asked["fetch"] = options
        (options["data_dir"] / "ABIDE_pcp").mkdir()
        numbers = [int(i) for i in IDS][: options["n_subjects"]]
        return {"phenotypic": pd.DataFrame({"SUB_ID": numbers})}

    def read_cpac(root, **options):
        asked["read"] = {"root": root, **options}
        failures = [("0050952", "a.1D", "empty"), ("0050999", "b.1D", "not there")]
        return Cohort(
            pd.DataFrame({"diagnosis": [1, 0]}, index=IDS[:2]),
            pd.DataFrame(index=["r1", "r2"]),
            timeseries=[np.zeros((5, 2))] * 2,
            failures=pd.DataFrame(failures, columns=["participant_id", "source", "reason"]),
        )

    monkeypatch.setattr(nilearn.datasets, "fetch_abide_pcp", fetch_abide_pcp)
    module = SimpleNamespace(read_cpac=read_cpac)
    monkeypatch.setitem(sys.modules, "brainograph.io.cpac", module)
    return asked


def test_the_reader_is_sent_to_what_was_fetched(asked, tmp_path):
    cohort = fetch_abide(tmp_path, atlas="cc200", global_signal_regression=True, progress=False)
    assert asked["fetch"]["derivatives"] == ["rois_cc200"]
    assert asked["fetch"]["quality_checked"] is True
    assert asked["read"]["root"] == tmp_path / "ABIDE_pcp"
    assert (asked["read"]["atlas"], asked["read"]["strategy"]) == ("cc200", "filt_global")
    assert cohort.participant_ids == IDS[:2]
    assert cohort.failures["participant_id"].tolist() == ["0050952"]


def test_the_default_is_band_passed_without_the_global_signal(asked, tmp_path):
    fetch_abide(tmp_path)
    assert asked["fetch"]["derivatives"] == ["rois_ho"]
    assert asked["read"]["strategy"] == "filt_noglobal"


def test_participants_that_were_not_asked_for_stay_out(asked, tmp_path):
    cohort = fetch_abide(tmp_path, n_subjects=1)
    assert cohort.participant_ids == IDS[:1]
    assert cohort.failures.empty


def test_an_unknown_atlas_is_refused_before_anything_is_fetched(asked, tmp_path):
    with pytest.raises(ValueError, match=r"atlas must be one of ho, cc200, .* got 'schaefer'"):
        fetch_abide(tmp_path, atlas="schaefer")
    assert not asked
