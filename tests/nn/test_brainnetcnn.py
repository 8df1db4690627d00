import torch

from brainograph.nn import BrainBatch, BrainNetCNN
from brainograph.nn.brainnetcnn import _Cross


def test_a_cross_sums_a_row_and_a_column():
    """The filters r = (1, 2, 3), c = (10, 20, 30) on a matrix of 3 regions."""
    cross = _Cross(1, 1, 3)
    cross.row.weight.data = torch.tensor([[1.0, 2, 3]])
    cross.column.weight.data = torch.tensor([[10.0, 20, 30]])
    cross.row.bias.data.zero_()
    matrix = torch.tensor([[0.0, 1, 2], [3, 0, 4], [5, 6, 0]])
    rows, columns = cross(matrix[None, :, :, None])
    assert rows.flatten().tolist() == [8, 15, 17]  # sum_k A_ik r_k
    assert columns.flatten().tolist() == [210, 190, 100]  # sum_k A_kj c_k


def test_a_filter_of_several_channels_is_a_convolution():
    torch.manual_seed(0)
    cross, h = _Cross(2, 3, 5), torch.randn(4, 2, 5, 5)
    row = cross.row.weight.view(3, 5, 2).permute(0, 2, 1)  # (C', C, R)
    column = cross.column.weight.view(3, 5, 2).permute(0, 2, 1)
    rows, columns = cross(h.permute(0, 2, 3, 1))
    expected = torch.conv2d(h, row[:, :, None], cross.row.bias).squeeze(-1).mT
    assert torch.allclose(rows, expected, atol=1e-5)
    assert torch.allclose(columns, torch.conv2d(h, column[..., None]).squeeze(-2).mT, atol=1e-5)


def test_the_diagonal_plays_no_part():
    torch.manual_seed(0)
    network, matrices = BrainNetCNN(6, 2).eval(), torch.randn(2, 6, 6)
    other = matrices + torch.diag(torch.arange(6.0))
    first, second = (network(BrainBatch(connectivity={"fc": m})) for m in (matrices, other))
    assert torch.equal(first, second)
