import pickle

import pytest
import torch

from brainograph.estimators.training.checkpoint import Checkpoint, from_bytes, to_bytes


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code ran')",))


def test_what_is_saved_is_loaded(tmp_path):
    checkpoint = Checkpoint(tmp_path / "new" / "member0.pt", {"network": "MeanMLP", "of": (1, 2)})
    assert checkpoint.load() is None
    checkpoint.save({"epoch": 3, "weights": torch.arange(3)})
    state = checkpoint.load()
    assert state["epoch"] == 3
    assert state["weights"].tolist() == [0, 1, 2]
    assert sorted(p.name for p in checkpoint.path.parent.iterdir()) == ["member0.pt"]


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    path = tmp_path / "member0.pt"
    Checkpoint(path, {"network": "MeanMLP", "seed": 0}).save({"epoch": 1})
    with pytest.raises(ValueError, match="another training: network 'MeanMLP' and not 'MSTGC'"):
        Checkpoint(path, {"network": "MSTGC", "seed": 0}).load()


def test_a_file_with_code_is_refused(tmp_path):
    path = tmp_path / "member0.pt"
    for content in (pickle.dumps(Bomb()), b"nonsense", b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a checkpoint, or is damaged"):
            Checkpoint(path, {}).load()
    torch.save(Bomb(), path)
    with pytest.raises(ValueError, match="is not a checkpoint, or is damaged"):
        Checkpoint(path, {}).load()


def test_bytes_keep_tensors_bit_for_bit():
    weights = torch.randn(5)
    assert torch.equal(from_bytes(to_bytes({"w": weights}))["w"], weights)
