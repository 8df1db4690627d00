import threading

import numpy as np
import pytest
import torch

from brainograph.estimators.subject.read_ahead import ReadAhead
from brainograph.nn.brain_batch import BrainBatch


class Reader:
    """Says which rows it was asked for, and in which thread."""

    def __init__(self):
        self.asked = []
        self.started = threading.Event()

    def __call__(self, rows):
        self.asked.append((rows.tolist(), threading.current_thread() is threading.main_thread()))
        if rows.tolist() == [2]:
            self.started.set()
        if rows.tolist() == [9]:
            raise ValueError("sub-9 is broken")
        return BrainBatch(phenotypes=torch.from_numpy(rows)[:, None])


def test_the_next_batch_is_read_before_it_is_asked_for():
    read = Reader()
    ahead = ReadAhead(read, [np.array([0, 1]), np.array([2]), np.array([3])])
    assert ahead(np.array([0, 1])).phenotypes[:, 0].tolist() == [0, 1]
    assert read.started.wait(timeout=10)
    assert ahead(np.array([2])).phenotypes[:, 0].tolist() == [2]
    assert ahead(np.array([3])).phenotypes[:, 0].tolist() == [3]
    assert read.asked == [([0, 1], False), ([2], False), ([3], False)]


def test_rows_out_of_turn_are_read_on_the_spot():
    read = Reader()
    ahead = ReadAhead(read, [np.array([0])])
    assert ahead(np.array([5])).phenotypes[:, 0].tolist() == [5]
    assert ahead(np.array([0])).phenotypes[:, 0].tolist() == [0]
    assert ahead(np.array([0])).phenotypes[:, 0].tolist() == [0]
    assert ([5], True) in read.asked
    assert read.asked[-1] == ([0], True)


def test_an_error_of_the_thread_comes_out_with_its_batch():
    ahead = ReadAhead(Reader(), [np.array([1]), np.array([9])])
    ahead(np.array([1]))
    with pytest.raises(ValueError, match="sub-9 is broken"):
        ahead(np.array([9]))
