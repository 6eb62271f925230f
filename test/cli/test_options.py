from __future__ import annotations

import argparse

import pytest

from depth_ros.cli.options import chosen_topics, whole
from depth_ros.errors import BagError


def test_topics_by_role() -> None:
    assert chosen_topics(None) is None
    assert chosen_topics(["image=/a", "points=/b=c"]) == {"image": "/a", "points": "/b=c"}


@pytest.mark.parametrize("given", [["lidar=/a"], ["image"], ["image="], ["=/a"], [""], ["image=/a", "image=/b"]])
def test_wrong_topics_are_one_line(given: list[str]) -> None:
    with pytest.raises(BagError, match="--topic") as caught:
        chosen_topics(given)
    assert "\n" not in str(caught.value)


def test_whole_numbers_of_a_range() -> None:
    assert [whole(1, 3)(text) for text in ("1", "3")] == [1, 3]
    assert whole(-2)("-2") == -2
    for text in ("0", "4", "1.5", "one", "", "-", "--1", "\u00b2", "9" * 5000):
        with pytest.raises(argparse.ArgumentTypeError, match="give a whole number, 1 to 3"):
            whole(1, 3)(text)
    with pytest.raises(argparse.ArgumentTypeError, match="0 or more"):
        whole(0)("-1")
