"""Extrinsics from parameters, file and TF, and what is said where there are none."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_ros.errors import ConfigError, NodeError
from depth_ros.geometry.rigid import compose, from_xyz_quat, invert
from depth_ros.messages.encode import encode_transform
from depth_ros.nodes.config import ExtrinsicsConfig, LinkConfig
from depth_ros.nodes.extrinsics import Changes, StaticExtrinsics, make_extrinsics
from depth_ros.nodes.factory import make
from depth_ros.nodes.links import Link, given_links, read_links

TURN = [0.5, -0.5, 0.5, 0.5]
A = from_xyz_quat([1.0, 2.0, 3.0], [0.0, 0.0, 0.0, 1.0])
B = from_xyz_quat([0.1, -0.2, 0.3], TURN)


def links_of(links: Any) -> StaticExtrinsics:
    return StaticExtrinsics(links, Changes(None))


def test_links_are_chained_and_inverted() -> None:
    tree = links_of([Link("base", "lidar", A), Link("base", "camera", B)])
    np.testing.assert_allclose(tree.lookup("base", "lidar", 0), A)
    np.testing.assert_allclose(tree.lookup("camera", "lidar", 0), compose(invert(B), A), atol=1e-12)
    np.testing.assert_allclose(tree.lookup("/lidar", "camera", 0), compose(invert(A), B), atol=1e-12)


def test_equal_frames_are_the_identity_also_without_links() -> None:
    np.testing.assert_array_equal(links_of([]).lookup("camera", "/camera", 0), np.eye(4))


def test_an_unknown_frame_names_both_and_the_remedy() -> None:
    with pytest.raises(NodeError, match=r"from 'radar' to 'camera'.*base, lidar.*extrinsics_file"):
        links_of([Link("base", "lidar", A)]).lookup("camera", "radar", 0)


def test_two_ways_between_two_frames_are_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        links_of([Link("base", "lidar", A), Link("base", "camera", B), Link("camera", "lidar", A)])


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


def ask(extrinsics: Any, stamp: int = 123) -> Any:
    return extrinsics.lookup("/camera", "/lidar", stamp)


def test_tf_is_asked_at_the_images_stamp_with_the_timeout(node: Any, fake_tf2: Any) -> None:
    fake_tf2.known["camera", "lidar"] = lambda stamp: A if stamp > 100 else B
    fake_tf2.newest["camera", "lidar"] = 1000
    extrinsics = make_extrinsics(node, ExtrinsicsConfig(extrinsics_timeout=0.25), {"lidar": LinkConfig()})
    np.testing.assert_allclose(ask(extrinsics), A)
    assert fake_tf2.asked[0] == ("camera", "lidar", 123)
    assert fake_tf2.waited[0] == 0.25
    np.testing.assert_allclose(ask(extrinsics, 50), B)
    asked = len(fake_tf2.asked)
    np.testing.assert_array_equal(extrinsics.lookup("camera", "/camera", 123), np.eye(4))
    assert len(fake_tf2.asked) == asked


def test_a_static_transform_is_asked_for_again_when_tf_static_changes(node: Any, fake_tf2: Any) -> None:
    fake_tf2.known["camera", "lidar"] = lambda _: B
    extrinsics = make_extrinsics(node, ExtrinsicsConfig(), {})
    np.testing.assert_allclose(ask(extrinsics), B)
    fake_tf2.known["camera", "lidar"] = lambda _: A
    asked = len(fake_tf2.asked)
    np.testing.assert_allclose(ask(extrinsics, 124), B)
    assert len(fake_tf2.asked) == asked
    fake_tf2.listeners[0].static_callback(None)
    for stamp in (125, 126):
        np.testing.assert_allclose(ask(extrinsics, stamp), A)
    (change,) = [text for text in node.lines if "changed" in text]
    assert "from 'lidar' to 'camera'" in change
    assert "turned by 120.00 degrees" in change


def test_what_moves_in_tf_is_no_change_of_the_extrinsics(node: Any, fake_tf2: Any) -> None:
    fake_tf2.known["camera", "lidar"] = lambda stamp: A if stamp > 100 else B
    fake_tf2.newest["camera", "lidar"] = 1000
    extrinsics = make_extrinsics(node, ExtrinsicsConfig(), {})
    for stamp in (50, 150, 60):
        ask(extrinsics, stamp)
    assert not [text for text in node.lines if "changed" in text]


def test_a_transform_that_tf_lacks_names_both_frames_and_the_remedy(node: Any, fake_tf2: Any) -> None:
    extrinsics = make_extrinsics(node, ExtrinsicsConfig(extrinsics_source="tf"), {})
    with pytest.raises(NodeError, match=r"from 'radar' to 'camera' in TF \(radar is not known\).*publish /tf"):
        extrinsics.lookup("camera", "radar", 0)
    with pytest.raises(NodeError, match=r"from 'lidar' to 'camera' in TF"):
        extrinsics.lookup("camera", "lidar", -1)
    assert len(fake_tf2.asked) == 1


def test_a_transform_that_is_no_rotation_is_the_same_error(node: Any, fake_tf2: Any) -> None:
    fake_tf2.known["camera", "lidar"] = lambda _: np.full((4, 4), np.nan)
    with pytest.raises(NodeError, match="from 'lidar' to 'camera' in TF"):
        ask(make_extrinsics(node, ExtrinsicsConfig(), {}))


def test_after_a_jump_back_in_time_what_moves_is_forgotten(node: Any, fake_tf2: Any) -> None:
    fake_tf2.known["camera", "lidar"] = lambda _: B
    fake_tf2.newest["camera", "lidar"] = 9 * 10**9
    extrinsics = make_extrinsics(node, ExtrinsicsConfig(), {})
    (listener,) = fake_tf2.listeners
    for stamp, cleared in ((5.0, 0), (4.5, 0), (8.0, 0), (3.0, 1), (3.1, 1), (2.9, 1), (0.5, 2)):
        ask(extrinsics, int(stamp * 1e9))
        moves = [encode_transform(make, int(stamp * 1e9), "odom", "base_link", A)]
        listener.callback(SimpleNamespace(transforms=[encode_transform(make, 0, "map", "odom", A), *moves]))
        assert fake_tf2.cleared == cleared


def test_a_question_about_earlier_forgets_nothing(node: Any, fake_tf2: Any) -> None:
    fake_tf2.known["camera", "lidar"] = lambda _: B
    fake_tf2.newest["camera", "lidar"] = 90 * 10**9
    extrinsics = make_extrinsics(node, ExtrinsicsConfig(), {})
    for stamp in (50.0, 20.0):  # as for the scan of a LiDAR that is lost
        ask(extrinsics, int(stamp * 1e9))
    assert fake_tf2.cleared == 0


def test_the_tf_listener_is_unregistered_where_it_can_be(node: Any, fake_tf2: Any) -> None:
    make_extrinsics(node, ExtrinsicsConfig(), {}).close()
    assert fake_tf2.unregistered == 1
    del fake_tf2.TransformListener.unregister
    make_extrinsics(node, ExtrinsicsConfig(), {}).close()
    links_of([]).close()
    assert fake_tf2.unregistered == 1


def test_changed_parameters_are_noticed_once(node: Any) -> None:

    def at(*xyz: float) -> dict[str, LinkConfig]:
        return {"lidar": LinkConfig(parent="camera", child="lidar", xyz=list(xyz))}

    extrinsics: Any = make_extrinsics(node, ExtrinsicsConfig(), at(0.0, 0.0, 1.0))
    ask(extrinsics)
    for _ in range(2):
        extrinsics.replace(given_links(at(0.0, 0.3, 1.4)))
        np.testing.assert_allclose(ask(extrinsics)[:3, 3], [0, 0.3, 1.4])
    with pytest.raises(ConfigError, match="twice"):
        extrinsics.replace([*given_links(at(0.0, 0.0, 1.0)), Link("lidar", "camera", np.eye(4))])
    np.testing.assert_allclose(ask(extrinsics)[:3, 3], [0, 0.3, 1.4])
    (change,) = [text for text in node.lines if "changed" in text]
    assert "moved by 0.500 m, turned by 0.00 degrees" in change


def test_a_file_that_changes_is_read_again_and_a_bad_one_is_not_taken(
    node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depth_ros.nodes.extrinsics.FILE_LOOK_S", 0.0)
    path = tmp_path / "extrinsics.yaml"
    text = "extrinsics:\n  lidar: {{parent: camera, child: lidar, xyz: {}}}\n"
    path.write_text(text.format([1, 2, 3]))
    extrinsics = make_extrinsics(node, ExtrinsicsConfig(extrinsics_file=str(path)), {})
    np.testing.assert_allclose(ask(extrinsics), A)
    path.write_text(text.format([1, 2, 3.5]))
    np.testing.assert_allclose(ask(extrinsics)[:3, 3], [1, 2, 3.5])
    path.write_text("extrinsics: [")
    path.unlink()
    np.testing.assert_allclose(ask(extrinsics)[:3, 3], [1, 2, 3.5])
    path.write_text("extrinsics: {}")
    for _ in range(2):
        np.testing.assert_allclose(ask(extrinsics)[:3, 3], [1, 2, 3.5])
    assert len([line for line in node.lines if "changed: moved by 0.500 m" in line]) == 1
    assert len([line for line in node.lines if "stay as they were" in line]) == 1


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
