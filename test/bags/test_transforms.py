from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from depth_ros.bags.transforms import StaticTransforms
from depth_ros.errors import BagError
from depth_ros.geometry import rigid


def _random_motion(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return rigid.from_rotation(Rotation.random(random_state=seed).as_matrix(), rng.uniform(-3, 3, 3))


def test_any_number_of_hops_in_both_directions() -> None:
    tree = StaticTransforms()
    motions = {
        child: _random_motion(seed)
        for seed, (parent, child) in enumerate([("base", "mast"), ("mast", "link"), ("link", "cam"), ("base", "lidar")])
    }
    for parent, child in (("base", "mast"), ("mast", "link"), ("link", "cam"), ("base", "lidar")):
        tree.add(parent, child, motions[child])
    T_base_cam = motions["mast"] @ motions["link"] @ motions["cam"]
    np.testing.assert_allclose(tree.lookup("base", "cam"), T_base_cam, atol=1e-12)
    np.testing.assert_allclose(tree.lookup("cam", "base"), np.linalg.inv(T_base_cam), atol=1e-12)
    np.testing.assert_allclose(tree.lookup("cam", "lidar"), np.linalg.inv(T_base_cam) @ motions["lidar"], atol=1e-12)
    np.testing.assert_allclose(tree.lookup("link", "cam"), motions["cam"], atol=1e-12)


def test_same_frame_is_identity_and_a_leading_slash_is_ignored() -> None:
    tree = StaticTransforms()
    np.testing.assert_array_equal(tree.lookup("lidar", "/lidar"), np.eye(4))


def test_disconnected_frames_are_named() -> None:
    tree = StaticTransforms()
    tree.add("base", "lidar", np.eye(4))
    tree.add("world", "cam", np.eye(4))
    with pytest.raises(BagError, match=r"'lidar' to 'cam' .*base, cam, lidar, world"):
        tree.lookup("cam", "lidar")
    with pytest.raises(BagError, match="none"):
        StaticTransforms().lookup("cam", "lidar")


def test_loop_is_an_error_naming_its_frames() -> None:
    tree = StaticTransforms()
    tree.add("a", "b", np.eye(4))
    tree.add("b", "a", np.eye(4))
    with pytest.raises(BagError, match="loop at"):
        tree.lookup("a", "c")
    tree = StaticTransforms()
    tree.add("a", "a", np.eye(4))
    with pytest.raises(BagError, match="loop at 'a'"):
        tree.lookup("a", "b")


def test_frame_heard_twice_takes_the_last() -> None:
    tree = StaticTransforms()
    tree.add("base", "lidar", _random_motion(1))
    tree.add("base", "lidar", _random_motion(2))
    np.testing.assert_allclose(tree.lookup("base", "lidar"), _random_motion(2), atol=1e-12)
    assert len(tree) == 1


def test_zero_quaternion_is_named(make_tf: Callable[..., Any]) -> None:
    message = make_tf([("base", "lidar", np.eye(4))])
    message.transforms[0].transform.rotation.w = 0.0
    with pytest.raises(BagError, match="base -> lidar"):
        StaticTransforms().add_message(message)
