"""Communities keep their number while they last."""

import numpy as np
import pytest

from brainograph.graphs import dynamic_communities, flexibility, match_communities
from brainograph.graphs.measures import modularity


def blocks(*sizes):
    """Cliques of given sizes, without an edge between them."""
    n = sum(sizes)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    return (owner[:, None] == owner).astype(float) - np.eye(n)


def test_flexibility_by_hand():
    # region 0 never changes, 1 at one of four steps, 2 at all of them
    communities = [[0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 1, 1], [0, 1, 0]]
    np.testing.assert_array_equal(flexibility(communities), [0, 0.25, 1])


def test_numbers_follow_the_overlap():
    # the same three communities, numbered anew in each window
    given = [[0, 0, 1, 1, 2, 2], [2, 2, 0, 0, 1, 1], [5, 5, 5, 9, 7, 7]]
    expected = [[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 2, 2]]
    np.testing.assert_array_equal(match_communities(given), expected)
    np.testing.assert_array_equal(flexibility(match_communities(given)), [0, 0, 0.5, 0, 0, 0])


def test_the_matching_is_the_best_over_all_and_not_greedy():
    # overlaps: new 0 with old 0 three, with old 1 two; new 1 with old 0 two, with old 1 none:
    # greedy keeps 3 + 0 regions, the best matching 2 + 2
    before = [0, 0, 0, 1, 1, 0, 0]
    after = [0, 0, 0, 0, 0, 1, 1]
    matched = match_communities([before, after])
    assert matched[1].tolist() == [1, 1, 1, 1, 1, 0, 0]


def test_a_community_that_continues_none_gets_a_number_of_its_own():
    matched = match_communities([[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 1, 1]])
    assert matched.tolist() == [[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 2, 2]]


def test_communities_and_modularity_of_windows():
    windows = np.stack([blocks(3, 3), blocks(2, 4), blocks(2, 4)])
    communities, quality = dynamic_communities(windows)
    # the last four keep three of their number's regions: region 2 moves over
    assert communities.tolist() == [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1]]
    np.testing.assert_array_equal(flexibility(communities), [0, 0, 0.5, 0, 0, 0])
    # two cliques of three: 1/2; of two and four: 2 + 12 of 14 directed edges
    np.testing.assert_allclose(quality, [0.5, *[1 - (2 / 14) ** 2 - (12 / 14) ** 2] * 2])
    assert quality[0] == modularity(windows[0], communities[0])


def test_the_seed_decides(rng):
    weights = rng.uniform(0, 1, (3, 12, 12))
    weights = weights + weights.transpose(0, 2, 1)
    first, second = (dynamic_communities(weights, random_state=4) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    still, _ = dynamic_communities(np.stack([weights[0]] * 3), random_state=1)
    assert (flexibility(still) == 0).all()


def test_errors():
    with pytest.raises(ValueError, match=r"with two windows or more, got \(1, 3\)"):
        flexibility([[0, 0, 1]])
    with pytest.raises(ValueError, match=r"communities must have the shape \(W, R\), got \(3,\)"):
        match_communities([0, 0, 1])
    with pytest.raises(ValueError, match=r"windows must have the shape \(W, R, R\), got \(3, 3\)"):
        dynamic_communities(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="negative edges"):
        dynamic_communities(-blocks(3)[None])
