import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.model_selection import SearchCV, cross_validate, repeated_stratified
from brainograph.model_selection.cluster import _pack, _unpack, cluster, each
from brainograph.preprocessing import Edges

distributed = pytest.importorskip("distributed")

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "cluster.md"


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=40, n_regions=8, random_state=2)


@pytest.fixture(scope="module")
def saved(cohort, tmp_path_factory):
    return Cohort.load(cohort.save(tmp_path_factory.mktemp("saved") / "cohort"))


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


@pytest.fixture(scope="module")
def splits(cohort, y):
    return repeated_stratified(cohort, y, n_splits=4)


@pytest.fixture(scope="module")
def scheduler():
    """Return the address of a scheduler with two workers of one thread."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=":0"
    ) as local:
        yield local.scheduler_address


def linear():
    return make_pipeline(Edges(), LogisticRegression(max_iter=1000))


def slow(seconds, broken=None):
    """Return a model that takes its time; its class is sent whole, workers cannot import this."""

    class Slow(ClassifierMixin, BaseEstimator):
        def fit(self, cohort, y):
            time.sleep(seconds)
            if broken in cohort.participant_ids:
                raise ValueError("broken")
            self.classes_ = np.array([0, 1])
            self.model_ = make_pipeline(Edges(), LogisticRegression(max_iter=1000)).fit(cohort, y)
            return self

        def predict_proba(self, cohort):
            return self.model_.predict_proba(cohort)

    return Slow()


@pytest.mark.parametrize("kind", ["on disk", "in memory"])
def test_the_numbers_are_those_of_a_serial_run(cohort, saved, y, splits, scheduler, kind):
    data = saved if kind == "on disk" else cohort
    gcn = PopulationGraphClassifier(max_epochs=3, n_members=1, device="cpu")
    search = SearchCV(linear(), {"logisticregression.C": [1e-3, 1.0]}, cv=2)
    models = {"gcn": gcn, "search": search}
    run = {"splits": splits, "regimes": ("transductive", "inductive"), "progress": False}
    serial = cross_validate(models, data, y, **run)
    with cluster(scheduler.replace("tcp://", "dask://")):
        spread = cross_validate(models, data, y, **run)
    pd.testing.assert_frame_equal(spread.predictions, serial.predictions, check_exact=True)
    pd.testing.assert_frame_equal(spread.chosen, serial.chosen)
    facts = spread.provenance["cluster"]
    assert facts == {"scheduler": scheduler, "n_workers": 2, "hosts": ["127.0.0.1"]}
    assert serial.provenance["cluster"] is None


def test_a_worker_that_is_killed_loses_nothing(saved, y, tmp_path):
    splits = repeated_stratified(saved, y, n_splits=5, n_repeats=2)
    run = {"splits": splits, "progress": False}
    killed = []

    def kill_one(client):
        while len(list(tmp_path.glob("spread/folds/*.tsv"))) < 2:
            time.sleep(0.05)
        working = [name for name, doing in client.processing().items() if doing]
        killed.append(client.run(os.getpid, workers=working[:1])[working[0]])
        os.kill(killed[0], signal.SIGKILL)

    with cluster("local", n_workers=2) as client:
        killer = threading.Thread(target=kill_one, args=(client,), daemon=True)
        killer.start()
        spread = cross_validate(slow(0.4), saved, y, folder=tmp_path / "spread", **run)
        killer.join(timeout=10)
        assert killed
        assert killed[0] not in client.run(os.getpid).values()
    assert len(list(tmp_path.glob("spread/folds/model__*.tsv"))) == 10
    serial = cross_validate(slow(0), saved, y, folder=tmp_path / "serial", **run)
    pd.testing.assert_frame_equal(spread.predictions, serial.predictions, check_exact=True)


def test_a_fit_that_fails_is_named_and_the_run_goes_on_from_there(
    saved, y, splits, scheduler, tmp_path
):
    broken = splits.splits[2].test[0]  # in the training rows of the other three folds
    run = {"splits": splits, "folder": tmp_path, "progress": False}
    with cluster(scheduler):
        with pytest.raises(ValueError, match="broken") as caught:
            cross_validate(slow(0, broken), saved, y, **run)
        assert "while fitting model" in caught.value.__notes__[0]
        assert len(cross_validate(slow(0), saved, y, **run).predictions) == 40


def test_a_saved_cohort_is_sent_as_paths(tmp_path):
    cohort = simulate_cohort(n_subjects=60, n_regions=40, random_state=0)
    saved = Cohort.load(cohort.save(tmp_path / "cohort"))
    size = sum(file.stat().st_size for file in tmp_path.rglob("*.npy"))
    assert len(_pack(saved)) < size / 20
    assert len(_pack(cohort)) > 0.9 * size
    for data in (saved, saved[[5, 3, 4]], saved[saved.phenotype["site"] == "site2"]):
        sent = pickle.loads(_pack(data))
        assert sent.fingerprint() == data.fingerprint()
        assert sent.participant_ids == data.participant_ids
    (tmp_path / "cohort" / "timeseries.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"does not see .*timeseries\.npy"):
        pickle.loads(_pack(saved))


def test_parts_of_a_memory_map_are_sent_as_they_are(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(12.0).reshape(4, 3))
    np.save(tmp_path / "f.npy", np.asfortranarray(np.arange(12.0).reshape(4, 3)))
    for name in "af":
        whole = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
        for part in (whole, whole[1:3], whole[::-1], whole.T, whole[:, 1]):
            np.testing.assert_array_equal(pickle.loads(_pack(part)), part)


def test_workers_that_would_give_other_numbers_are_refused(monkeypatch):
    def on_a_worker(threads):
        worker = SimpleNamespace(state=SimpleNamespace(nthreads=threads))
        monkeypatch.setattr(distributed, "get_worker", lambda: worker)
        _unpack.cache_clear()

    on_a_worker(2)
    from brainograph.model_selection.environment import versions

    with pytest.raises(RuntimeError, match=r"has 2 threads.*--nthreads 1"):
        _unpack(_pack((len, (), versions())))
    on_a_worker(1)
    assert _unpack(_pack((len, (), versions()))) == (len, ())
    with pytest.raises(RuntimeError, match=r"has numpy \d.* for 0.1"):
        _unpack(_pack((len, (), {**versions(), "numpy": "0.1"})))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_without_a_cluster_joblib_does_the_work(n_jobs):
    assert sorted(each(pow, [3, 2], 2, n_jobs=n_jobs)) == [(0, 9), (1, 4)]


def test_an_address_is_checked(tmp_path):
    for wrong in ("slurm", "dask://", "dask://host", "http://host:80", "dask://host:port"):
        with pytest.raises(ValueError, match="a cluster is 'local', 'dask://HOST:PORT'"):
            cluster(wrong).__enter__()
    with pytest.raises(FileNotFoundError, match="dask scheduler --scheduler-file"):
        cluster(str(tmp_path / "none.json")).__enter__()
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "500ms"}),
        pytest.raises(ConnectionError, match=r"no Dask scheduler answers at dask://127\.0\.0\.1:9"),
    ):
        cluster("dask://127.0.0.1:9").__enter__()


def test_a_cluster_without_workers_is_said():
    empty = {"n_workers": 0, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**empty) as local,
        pytest.warns(UserWarning, match="has no workers yet"),
        cluster(local.scheduler_address),
    ):
        pass


def test_without_dask_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install brainograph\[cluster\]"):
        cluster("local").__enter__()


def test_the_guide_s_example_asks_slurm_for_what_it_says_and_runs(
    cohort, scheduler, monkeypatch, tmp_path
):
    jobqueue = pytest.importorskip("dask_jobqueue")
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    before, rest = code.replace("/project/study", str(tmp_path)).split(
        "# Everything below talks to SLURM."
    )
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(before, GUIDE.name, "exec"), names)
    assert isinstance(names["slurm"], jobqueue.SLURMCluster)
    script = names["slurm"].job_script()
    names["slurm"].close()
    for line in (
        "#SBATCH -p short",
        "#SBATCH -n 1",
        "#SBATCH --cpus-per-task=16",
        "#SBATCH --mem=60G",
        "#SBATCH -t 04:00:00",
        "export OMP_NUM_THREADS=1",
        "--nthreads 1",
        "--nworkers 16",
        "--lifetime 3h50m",
    ):
        assert line in script
    cohort.save(tmp_path / "cohort")
    asked = []
    names["slurm"] = SimpleNamespace(
        scheduler_address=scheduler, adapt=lambda **jobs: asked.append(jobs), close=lambda: None
    )  # stands for the 64 workers of SLURM
    exec(compile(rest, GUIDE.name, "exec"), names)
    assert asked == [{"minimum_jobs": 4, "maximum_jobs": 4}]
    assert len(names["results"].predictions) == 40
    assert (tmp_path / "results" / "predictions.tsv").is_file()


def test_the_guide_s_batch_script_is_one(tmp_path):
    blocks = re.findall(r"```bash\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    (script,) = [block for block in blocks if block.startswith("#!")]
    (tmp_path / "crossval.sbatch").write_text(script)
    done = subprocess.run(["bash", "-n", tmp_path / "crossval.sbatch"], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    for option in re.findall(r"dask (?:scheduler|worker)(?:[^&]|\\\n)*", script):
        command = option.split()[1]
        known = subprocess.run(
            [sys.executable, "-m", "dask", command, "--help"], capture_output=True, text=True
        ).stdout
        assert all(flag in known for flag in re.findall(r"(?<=\s)--[a-z-]+", option)), option
