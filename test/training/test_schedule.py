from __future__ import annotations

import math
from itertools import pairwise

import pytest

from depth_ros.training.schedule import DrawOrder, batches, learning_rate


def test_the_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    rates = [learning_rate(step, 1000, 100, 2.0) for step in range(1001)]
    assert rates[0] == pytest.approx(2 / 101)
    assert rates[100] == 2.0 == max(rates)
    assert rates[550] == pytest.approx(1.0)
    assert rates[1000] == 0.0
    assert all(a < b for a, b in pairwise(rates[:101]))
    assert all(a > b for a, b in pairwise(rates[100:]))


@pytest.mark.parametrize(("steps", "warm_up"), [(1, 0), (1, 500), (10, 10)])
def test_short_schedules_have_a_rate(steps: int, warm_up: int) -> None:
    assert all(0 < learning_rate(step, steps, warm_up, 1.0) <= 1 for step in range(steps))
    assert math.isfinite(learning_rate(steps, steps, warm_up, 1.0))


def test_every_epoch_visits_every_sample_once_in_another_order() -> None:
    order = DrawOrder(10, seed=3)
    first, second = ([order[10 * epoch + place][0] for place in range(10)] for epoch in range(2))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert DrawOrder(10, seed=3)[15] == (second[5], 15)


def test_batches_of_the_processes_share_out_the_draws() -> None:
    order = DrawOrder(100, seed=0)
    shares = [list(batches(order, 12, 3, 2, rank, 2)) for rank in range(2)]
    numbers = sorted(number for share in shares for batch in share for _, number in batch)
    assert numbers == list(range(12, 24))


def test_batches_go_on_where_the_last_ones_ended() -> None:
    order = DrawOrder(5, seed=0)
    whole = list(batches(order, 0, 6, 4))
    assert whole == [*batches(order, 0, 2, 4), *batches(order, 8, 4, 4)]
