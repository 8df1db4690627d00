import builtins

import pandas as pd
import pytest

from brainograph.estimators.training.log import TrainingLog

HISTORY = pd.DataFrame(
    {"loss": [1.0, 0.5], "validation": [None, None]}, index=pd.Index([1, 2], name="epoch")
)


def test_csv_has_a_line_an_epoch(tmp_path):
    log = TrainingLog(tmp_path / "run")
    log.write(HISTORY[:1])
    log.write(HISTORY)
    log.close()
    table = pd.read_csv(tmp_path / "run" / "history.csv", index_col="epoch")
    assert table["loss"].tolist() == [1.0, 0.5]


def test_tensorboard_events_are_read_back(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = TrainingLog(tmp_path, tensorboard=True)
    log.write(HISTORY[:1])
    log.write(HISTORY)
    log.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 1.0), (2, 0.5)]


def test_without_tensorboard_it_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'brainograph\[track\]'"):
        TrainingLog(tmp_path, tensorboard=True)
