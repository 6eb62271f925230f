from __future__ import annotations

import itertools

import pytest
import torch

from depth_ros.networks.search import REACH, SIDEWAYS, search_columns

WIDE = sum(SIDEWAYS)


def grid(height: int, width: int, points: dict[tuple[int, int], float]) -> torch.Tensor:
    inverse = torch.zeros(1, 1, height, width)
    for (row, column), value in points.items():
        inverse[0, 0, row, column] = value
    return inverse


def test_nearest_of_a_column_above_and_below() -> None:
    above, below = search_columns(grid(9, 20, {(2, 10): 0.5, (6, 10): 0.25}))
    assert above[0, 0, :, 10].tolist() == [0, 0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert below[0, 0, :, 10].tolist() == [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0, 0]
    assert above[0, 1, 2:, 10].tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert below[0, 1, :7, 10].tolist() == [2, 1, 0, 3, 2, 1, 0]


def test_a_column_looks_to_its_sides_first_but_not_farther() -> None:
    above, _ = search_columns(grid(3, 20, {(1, 10): 0.5}))
    found = (above[0, 0, 1] > 0).nonzero().ravel().tolist()
    assert found == list(range(10 - WIDE, 11 + WIDE))


def test_the_nearer_surface_wins_at_equal_distance_and_sides_are_equal() -> None:
    inverse = grid(1, 9, {(0, 3): 0.1, (0, 5): 0.9})
    above, _ = search_columns(inverse)
    mirrored, _ = search_columns(inverse.flip(3))
    assert above[0, 0, 0, 4] == pytest.approx(0.9)
    assert torch.equal(above.flip(3), mirrored)


def test_upside_down_exchanges_above_and_below() -> None:
    torch.manual_seed(0)
    inverse = torch.rand(2, 1, 40, 30) * (torch.rand(2, 1, 40, 30) < 0.01)
    above, below = search_columns(inverse)
    flipped_above, flipped_below = search_columns(inverse.flip(2))
    assert torch.equal(above.flip(2)[:, :1], flipped_below[:, :1])
    assert torch.equal(below.flip(2)[:, :1], flipped_above[:, :1])


def test_agrees_with_a_search_row_by_row_as_far_as_it_reaches() -> None:
    torch.manual_seed(1)
    columns = torch.arange(0, 5 * (2 * WIDE + 1), 2 * WIDE + 1)  # too far apart to see each other
    inverse = torch.zeros(1, 1, 300, int(columns[-1]) + 1)
    inverse[..., columns] = torch.rand(1, 1, 300, 5) * (torch.rand(1, 1, 300, 5) < 0.008)
    above, below = search_columns(inverse)
    for row, column in itertools.product(range(300), columns.tolist()):
        values = inverse[0, 0, :, column]
        for state, rows in ((above, range(row, -1, -1)), (below, range(row, 300))):
            near = (far for far, at in enumerate(rows) if values[at] > 0)
            distance = next(near, REACH)
            value, steps = state[0, :, row, column].tolist()
            if distance < REACH:
                assert (value, steps) == (values[rows[distance]].item(), distance)
            else:
                assert value == 0


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 64)])
def test_nothing_measured_finds_nothing_in_any_size(size: tuple[int, int]) -> None:
    above, below = search_columns(torch.zeros(1, 1, *size))
    assert above.shape == below.shape == (1, 2, *size)
    assert not above[:, 0].any()
    assert not below[:, 0].any()
