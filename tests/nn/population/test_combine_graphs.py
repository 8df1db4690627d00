"""Graphs of several modalities as one."""

import pytest
import torch

from brainograph.nn.population.combine_graphs import combine_graphs

ONE = torch.tensor([[0.0, 0.8, 0.0], [0.8, 0.0, 0.4], [0.0, 0.4, 0.0]])
TWO = torch.tensor([[0.0, 0.5, 0.2], [0.5, 0.0, 0.0], [0.2, 0.0, 0.0]])
EXPECTED = {
    "mean": [[0.0, 0.65, 0.1], [0.65, 0.0, 0.2], [0.1, 0.2, 0.0]],
    "hadamard": [[0.0, 0.4, 0.0], [0.4, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "max": [[0.0, 0.8, 0.2], [0.8, 0.0, 0.4], [0.2, 0.4, 0.0]],
}
# Participant 2 has the first modality only: its edges are those of the first.
PARTIAL = {
    "mean": [[0.0, 0.65, 0.0], [0.65, 0.0, 0.4], [0.0, 0.4, 0.0]],
    "hadamard": [[0.0, 0.4, 0.0], [0.4, 0.0, 0.4], [0.0, 0.4, 0.0]],
    "max": [[0.0, 0.8, 0.0], [0.8, 0.0, 0.4], [0.0, 0.4, 0.0]],
}


@pytest.mark.parametrize("how", EXPECTED)
@pytest.mark.parametrize("sparse", [False, True])
def test_by_hand(how, sparse):
    everybody = torch.ones(3, 2, dtype=torch.bool)
    partial = torch.tensor([[True, True], [True, True], [True, False]])
    lacking = TWO * torch.tensor([1.0, 1.0, 0.0]) * torch.tensor([[1.0], [1.0], [0.0]])
    for graphs, who, expected in (
        ((ONE, TWO), everybody, EXPECTED[how]),
        ((ONE, lacking), partial, PARTIAL[how]),
    ):
        given = [graph.to_sparse_coo().coalesce() if sparse else graph for graph in graphs]
        combined = combine_graphs(given, who, how)
        assert combined.is_sparse == sparse
        dense = combined.to_dense() if sparse else combined
        assert torch.allclose(dense, torch.tensor(expected), atol=1e-6)


def test_who_has_no_modality_in_common_is_not_joined():
    apart = torch.tensor([[True, False], [False, True], [True, True]])
    nothing = torch.zeros(3, 3)
    for how in EXPECTED:
        assert combine_graphs([nothing, nothing], apart, how).sum() == 0


def test_another_way_is_refused():
    with pytest.raises(ValueError, match=r"one of .*'hadamard'.*got 'sum'"):
        combine_graphs([ONE], torch.ones(3, 1).bool(), "sum")
