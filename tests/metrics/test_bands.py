"""Groups by value and by band."""

import numpy as np
import pandas as pd
import pytest

from brainograph.metrics.bands import bands


def test_quartiles_of_many_numbers():
    found = bands(pd.Series(np.arange(1.0, 21.0), name="age"))
    assert found.value_counts().tolist() == [5, 5, 5, 5]
    assert found.cat.categories.tolist() == [
        "under 5.75", "5.75 to 10.5", "10.5 to 15.25", "15.25 and over",
    ]  # fmt: skip


def test_limits_begin_their_band_and_empty_bands_go():
    found = bands(pd.Series([12.0, 17.9, 18.0, np.nan], name="age"), (12, 18))
    assert found.cat.categories.tolist() == ["12 to 18", "18 and over"]
    assert found.tolist()[:3] == ["12 to 18", "12 to 18", "18 and over"]
    assert pd.isna(found.iloc[3])


def test_few_numbers_and_words_are_groups_as_they_are():
    assert bands(pd.Series([1, 2, 2])).tolist() == ["1", "2", "2"]
    words = bands(pd.Series(["male", None, "female"]))
    assert words.cat.categories.tolist() == ["female", "male"]
    assert pd.isna(words.iloc[1])


def test_mistakes_are_explained():
    age = pd.Series([8.0, 30.0], name="age")
    with pytest.raises(ValueError, match=r"rising limits, got .*18.*12.*Write bands="):
        bands(age, (18, 12))
    with pytest.raises(ValueError, match="rising limits"):
        bands(age, ())
    with pytest.raises(ValueError, match="bands need numbers, but sex holds"):
        bands(pd.Series(["male"], name="sex"), (12,))
