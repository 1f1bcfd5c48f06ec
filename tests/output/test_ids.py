"""Counting different ids in bounded memory."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import exporter.output.ids as ids_module
from exporter.output.ids import RepeatedIds


@given(st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 20), max_size=60), st.integers(1, 7), st.integers(1, 3))
def test_an_id_comes_out_as_often_as_it_came_again(ids: list[int], run: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch, RepeatedIds() as counted:
        patch.setattr(ids_module, "RUN", run)
        patch.setattr(ids_module, "BLOCK", block)
        for each in ids:
            counted.add(each)
        again = list(counted.twice())
    assert again == sorted(each for each, times in Counter(ids).items() for _ in range(times - 1))
