"""Extrinsics from parameters, file and TF, and what is said where there are none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy

from depth_ros.errors import ConfigError, NodeError
from depth_ros.geometry.rigid import compose, from_xyz_quat, invert
from depth_ros.nodes.config import ExtrinsicsConfig, LinkConfig
from depth_ros.nodes.extrinsics import Link, StaticExtrinsics, make_extrinsics, read_links

TURN = [0.5, -0.5, 0.5, 0.5]
A = from_xyz_quat([1.0, 2.0, 3.0], [0.0, 0.0, 0.0, 1.0])
B = from_xyz_quat([0.1, -0.2, 0.3], TURN)


@pytest.fixture
def node(ros: None) -> Iterator[Any]:  # noqa: ARG001 (a fixture used for what it does)
    node = rclpy.create_node("subject")
    yield node
    node.destroy_node()


def test_links_are_chained_and_inverted() -> None:
    tree = StaticExtrinsics([Link("base", "lidar", A), Link("base", "camera", B)])
    np.testing.assert_allclose(tree.lookup("base", "lidar", 0), A)
    np.testing.assert_allclose(tree.lookup("camera", "lidar", 0), compose(invert(B), A), atol=1e-12)
    np.testing.assert_allclose(tree.lookup("/lidar", "camera", 0), compose(invert(A), B), atol=1e-12)


def test_equal_frames_are_the_identity_also_without_links() -> None:
    np.testing.assert_array_equal(StaticExtrinsics([]).lookup("camera", "/camera", 0), np.eye(4))


def test_an_unknown_frame_names_both_and_the_remedy() -> None:
    with pytest.raises(NodeError, match=r"from 'radar' to 'camera'.*base, lidar.*extrinsics_file"):
        StaticExtrinsics([Link("base", "lidar", A)]).lookup("camera", "radar", 0)


def test_two_ways_between_two_frames_are_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        StaticExtrinsics([Link("base", "lidar", A), Link("base", "camera", B), Link("camera", "lidar", A)])


def test_file_has_the_keys_of_the_parameters(tmp_path: Path) -> None:
    path = tmp_path / "extrinsics.yaml"
    path.write_text("extrinsics:\n  lidar: {parent: camera, child: lidar, xyz: [1, 2, 3], quat: [0, 0, 0, 1]}\n")
    (link,) = read_links(str(path))
    assert (link.parent, link.child) == ("camera", "lidar")
    np.testing.assert_allclose(link.T, A)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("extrinsics: {lidar: {parent: a, child: b, rpy: [0, 0, 0]}}", "rpy"),
        ("extrinsics: {lidar: {parent: a, child: b, quat: [0, 0, 0, 0]}}", "unit quaternion"),
        ("extrinsics: {lidar: {parent: a}}", "give both"),
        ("extrinsics: {lidar: 5}", "cannot be read"),
        ("extrinsics: {lidar: {parent: a, child: b, xyz: [x, y, z]}}", "cannot be read"),
        ("extrinsics: [", "cannot be read"),
        ("extrinsics: {}", "no link"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "extrinsics.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        read_links(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_links(str(tmp_path / "none.yaml"))


def test_tf_without_tf2_names_the_package(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    with pytest.raises(ConfigError, match="tf2-ros-py"):
        make_extrinsics(node, ExtrinsicsConfig(extrinsics_source="tf"), {})


class FakeTf2(ModuleType):
    """A fake tf2_ros: one transform (camera <- lidar), any other an error; it notes what it is asked and told."""

    def __init__(self) -> None:
        super().__init__("tf2_ros")
        self.asked: list[tuple[str, str, int]] = []
        self.unregistered = 0
        fake = self

        class TransformException(Exception):
            pass

        class Buffer:
            def lookup_transform(self, target: str, source: str, when: Any, timeout: Any) -> Any:
                assert timeout.nanoseconds > 0
                fake.asked.append((target, source, when.nanoseconds))
                if (target, source) != ("camera", "lidar"):
                    raise TransformException(f"{source} is not known")
                move, turn = SimpleNamespace(x=0.1, y=-0.2, z=0.3), dict(zip("xyzw", TURN, strict=True))
                transform = SimpleNamespace(translation=move, rotation=SimpleNamespace(**turn))
                return SimpleNamespace(transform=transform)

        class TransformListener:
            def __init__(self, buffer: Any, node: Any) -> None:
                assert isinstance(buffer, Buffer)
                assert node is not None

            def unregister(self) -> None:
                fake.unregistered += 1

        self.Buffer, self.TransformListener, self.TransformException = Buffer, TransformListener, TransformException


@pytest.fixture
def fake_tf2(monkeypatch: pytest.MonkeyPatch) -> FakeTf2:
    fake = FakeTf2()
    monkeypatch.setitem(sys.modules, "tf2_ros", fake)
    return fake


def test_tf_is_asked_at_the_images_stamp(node: Any, fake_tf2: FakeTf2) -> None:
    extrinsics = make_extrinsics(node, ExtrinsicsConfig(), {"lidar": LinkConfig()})
    np.testing.assert_allclose(extrinsics.lookup("/camera", "/lidar", 123), B)
    assert fake_tf2.asked == [("camera", "lidar", 123)]
    np.testing.assert_array_equal(extrinsics.lookup("camera", "/camera", 123), np.eye(4))
    assert len(fake_tf2.asked) == 1


def test_a_transform_that_tf_lacks_names_both_frames_and_the_remedy(node: Any, fake_tf2: FakeTf2) -> None:
    extrinsics = make_extrinsics(node, ExtrinsicsConfig(extrinsics_source="tf"), {})
    with pytest.raises(NodeError, match=r"from 'radar' to 'camera' in TF \(radar is not known\).*publish /tf"):
        extrinsics.lookup("camera", "radar", 0)
    with pytest.raises(NodeError, match=r"from 'lidar' to 'camera' in TF"):
        extrinsics.lookup("camera", "lidar", -1)
    assert len(fake_tf2.asked) == 1


def test_the_tf_listener_is_unregistered_where_it_can_be(node: Any, fake_tf2: FakeTf2) -> None:
    make_extrinsics(node, ExtrinsicsConfig(), {}).close()
    assert fake_tf2.unregistered == 1
    del fake_tf2.TransformListener.unregister
    make_extrinsics(node, ExtrinsicsConfig(), {}).close()
    StaticExtrinsics([]).close()
    assert fake_tf2.unregistered == 1


def test_params_without_a_link_are_refused(node: Any) -> None:
    with pytest.raises(ConfigError, match=r"extrinsics\.lidar\.parent"):
        make_extrinsics(node, ExtrinsicsConfig(extrinsics_source="params"), {"lidar": LinkConfig()})


def test_auto_takes_params_then_file_then_only_the_cameras_own_frame(
    node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    path = tmp_path / "extrinsics.yaml"
    path.write_text("extrinsics:\n  lidar: {parent: camera, child: lidar, xyz: [1, 2, 3]}\n")
    given = {"lidar": LinkConfig(parent="camera", child="lidar", quat=TURN)}
    from_file = ExtrinsicsConfig(extrinsics_file=str(path))
    np.testing.assert_allclose(make_extrinsics(node, from_file, {}).lookup("camera", "lidar", 0), A)
    turned = make_extrinsics(node, from_file, given).lookup("camera", "lidar", 0)
    np.testing.assert_allclose(turned, from_xyz_quat([0, 0, 0], TURN))
    nothing = make_extrinsics(node, ExtrinsicsConfig(), {"lidar": LinkConfig()})
    np.testing.assert_array_equal(nothing.lookup("camera", "camera", 0), np.eye(4))
    with pytest.raises(NodeError):
        nothing.lookup("camera", "lidar", 0)
