import torch

from brainograph.nn.fusion import drop_modalities


def test_each_is_dropped_as_often_as_said_and_nobody_loses_all():
    torch.manual_seed(0)
    present = torch.tensor([[True, True, True], [True, True, False], [False, True, False]])
    present = present.repeat(20_000, 1)
    kept = drop_modalities(present, 0.4)
    assert not (kept & ~present).any()
    assert kept.any(dim=1).all()
    share = kept[::3].float().mean(dim=0)  # kept with .6, or as the lucky one of .4^3
    assert (share - (0.6 + 0.4**3 / 3)).abs().max() < 0.01
    share = kept[1::3].float().mean(dim=0)
    assert (share[:2] - (0.6 + 0.4**2 / 2)).abs().max() < 0.01
    assert kept[2::3, 1].all()


def test_nothing_is_dropped_without_probability():
    present = torch.rand(50, 3) > 0.3
    present[:, 0] = True
    assert torch.equal(drop_modalities(present, 0.0), present)
