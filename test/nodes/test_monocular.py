"""monocular_node over real topics: an image and its camera in, metres out; what it lacks it says, and never LiDAR."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from depth_ros.bags.writer import BagWriter, bag_factory
from depth_ros.frame import Source
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_array, stamp_ns
from depth_ros.messages.encode import encode_camera, encode_image
from depth_ros.models import store
from depth_ros.nodes.completion import CompletionNode
from depth_ros.nodes.factory import make
from depth_ros.nodes.monocular import MonocularNode

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.live
MakeModel = Callable[..., Path]
MakeNode = Callable[..., Any]
STAMP, TICK = 10**18, 10**8
FX = 100.0
CAMERA = Camera.from_focal(160, 120, FX, FX, 80, 60)
INFO, IMAGE = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/Image"
OF_LIDAR = ("/points", "scan", "extrinsics", "LiDAR", "transform")


@pytest.fixture
def make_node(probe: Any) -> Iterator[MakeNode]:
    made: list[Any] = []

    def make_one(**values: Any) -> Any:
        given = {"engine": "onnxruntime", "threads": 1, **values}
        node = MonocularNode(parameter_overrides=[Parameter(key, value=value) for key, value in given.items()])
        made.append(node)
        node.start()
        probe.executor.add_node(node)
        return node

    yield make_one
    for node in made:
        node.destroy_node()


def wait(probe: Any, *topics: str) -> None:
    probe.spin_until(lambda: all(probe.inputs[topic].get_subscription_count() for topic in topics))
    probe.spin_until(lambda: probe.diagnostics)
    probe.spin_for(0.3)


def send_k_zero(probe: Any, stamp: int) -> None:
    from rclpy.time import Time

    info = make("sensor_msgs/msg/CameraInfo", width=160, height=120, distortion_model="plumb_bob")
    info.header.stamp, info.header.frame_id = Time(nanoseconds=stamp).to_msg(), "camera"
    probe.inputs["camera_info"].publish(info)


def test_every_image_becomes_depth_without_any_scan(
    probe: Any, make_node: MakeNode, make_metric: MakeModel, capfd: pytest.CaptureFixture[str]
) -> None:
    node = make_node(model=str(make_metric(sigma=True)), queue_policy="all")
    wait(probe, "image", "camera_info")
    probe.send_info(STAMP)
    stamps = [STAMP + number * TICK for number in range(4)]
    for stamp in stamps:
        probe.send_image(stamp)
    probe.spin_until(lambda: all(seen == stamps for seen in probe.stamps().values()))
    depth, source = (decode_array(probe.got[f"depth/{name}"][0]) for name in ("image_rect", "source"))
    assert set(np.unique(source)) <= {Source.NONE, Source.MONOCULAR}
    assert np.nanmin(depth) >= FX / 100
    assert np.nanmax(depth[np.isfinite(depth)]) <= 2 * FX / 100
    assert probe.got["depth/camera_info"][0].k[0] == FX
    assert probe.got["depth/image_rect"][0].header.frame_id == "camera"
    probe.spin_until(lambda: probe.diagnostics.get("depth_maps") == "4")
    assert probe.diagnostics["model"] == "metre 1.0"
    assert not any(word in key for key in probe.diagnostics for word in ("scan", "residual", "focal"))
    assert probe.drops() == {}
    assert not node.get_subscriptions_info_by_topic("/points")
    assert node.set_parameters([Parameter("max_depth", value=0.5)])[0].successful
    probe.send_image(STAMP + 9 * TICK)
    probe.spin_until(lambda: len(probe.got["depth/image_rect"]) == 5)
    assert not np.isfinite(decode_array(probe.got["depth/image_rect"][-1])).any()
    assert "focal" not in capfd.readouterr().err


@pytest.mark.parametrize("calibration", ["camera_info", "none"])
def test_an_unknown_focal_length_is_found_published_and_said_once(
    probe: Any,
    make_node: MakeNode,
    make_metric: MakeModel,
    capfd: pytest.CaptureFixture[str],
    calibration: str,
) -> None:
    make_node(model=str(make_metric(focal=432.0)), calibration=calibration, queue_policy="all")
    wait(probe, "image")
    if calibration == "camera_info":
        send_k_zero(probe, STAMP)
    else:
        assert probe.inputs["camera_info"].get_subscription_count() == 0
    for number in range(3):
        probe.send_image(STAMP + number * TICK)
    probe.spin_until(lambda: len(probe.got["depth/camera_info"]) == 3)
    info = probe.got["depth/camera_info"][0]
    assert (info.k[0], info.p[0], info.k[2], stamp_ns(info.header.stamp)) == (432.0, 432.0, 79.5, STAMP)
    assert np.nanmin(decode_array(probe.got["depth/image_rect"][0])) >= 4.32
    probe.spin_until(lambda: probe.diagnostics.get("focal") == "432.0 px, found by the model")
    assert capfd.readouterr().err.count("the focal length is not known") == 1


def test_what_it_lacks_is_told_and_lidar_never(
    probe: Any, make_node: MakeNode, make_metric: MakeModel, capfd: pytest.CaptureFixture[str]
) -> None:
    make_node(model=str(make_metric()))
    wait(probe, "image", "camera_info")
    said, stamps = [""], count(STAMP, TICK)

    def told(text: str) -> bool:
        probe.send_image(next(stamps))
        said[0] += capfd.readouterr().err
        return text in said[0]

    probe.spin_until(lambda: told("(no_camera_info): nothing has arrived on /camera_info"))
    send_k_zero(probe, STAMP)
    probe.spin_until(lambda: told("no focal length is known, and metre 1.0 has no focal head"))
    probe.spin_until(lambda: probe.drops().get("not_completed"))
    probe.spin_for(4.0)
    told("")
    for line in said[0].splitlines():
        assert not any(word in line for word in OF_LIDAR), line


def test_a_model_that_needs_lidar_fails_the_transition(
    make_node: MakeNode,
    make_toy: MakeModel,
    make_metric: MakeModel,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("depth_ros.pipelines.factory.bundled_models", dict)
    relative = make_metric("relative", task="relative")
    for model, text in ((make_toy(), "a completion model"), (relative, "a relative model"), ("auto", "metric model")):
        node = make_node(model=str(model), autostart=False)
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        assert text in capfd.readouterr().err


def test_without_a_model_it_is_the_bundled_one_and_says_what_that_knows(
    probe: Any,
    make_node: MakeNode,
    make_metric: MakeModel,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    domain = "cameras of robots that look ahead, walls alone"
    monkeypatch.setattr(store, "ASSETS", make_metric("metric", domain=domain).parent)
    make_node()
    wait(probe, "image", "camera_info")
    probe.send_info(STAMP)
    probe.send_image(STAMP)
    probe.spin_until(lambda: probe.got["depth/image_rect"])
    said = capfd.readouterr().err
    assert "configured: model metric 1.0, engine onnxruntime" in said
    assert f", domain {domain}\n" in said
    probe.spin_until(lambda: probe.diagnostics.get("domain") == domain)


def test_cameras_go_side_by_side(probe: Any, make_node: MakeNode, make_metric: MakeModel) -> None:
    node = make_node(model=str(make_metric()), cameras=["left", "right"])
    assert set(node._sensors.channels) == {"left", "right"}
    probe.spin_until(lambda: probe.node.count_publishers("/left/depth/image_rect"))
    probe.spin_until(lambda: probe.node.count_publishers("/right/depth/points"))


LIDAR_AHEAD: dict[str, Any] = {
    "extrinsics.lidar.parent": "camera",
    "extrinsics.lidar.child": "lidar",
    "extrinsics.lidar.quat": [0.5, -0.5, 0.5, 0.5],
}


@pytest.fixture
def make_completion(probe: Any) -> Iterator[MakeNode]:
    made: list[Any] = []

    def make_one(**values: Any) -> Any:
        given = {"engine": "onnxruntime", "threads": 1, "pose_source": "none", **LIDAR_AHEAD, **values}
        made.append(CompletionNode(parameter_overrides=[Parameter(key, value=value) for key, value in given.items()]))
        made[-1].start()
        probe.executor.add_node(made[-1])
        return made[-1]

    yield make_one
    for node in made:
        node.destroy_node()


def test_a_completion_without_its_lidar_goes_on_with_the_model_alone(
    probe: Any, make_completion: MakeNode, make_metric: MakeModel
) -> None:
    make_completion(model=str(make_metric()), lidar_lost="monocular", max_wait=0.05, queue_policy="all")
    probe.wait_for_node()
    probe.send_info(STAMP)
    probe.send_scan(STAMP)
    probe.send_image(STAMP)
    probe.spin_until(lambda: probe.got["depth/source"])
    probe.send_image(STAMP + 5 * TICK)  # no scan at all
    probe.send_scan(STAMP + 10 * TICK, np.array([[8.0, 0, 0]], np.float32))  # one too sparse
    probe.send_image(STAMP + 10 * TICK)
    probe.spin_until(lambda: len(probe.got["depth/source"]) == 3)
    sources = [set(np.unique(decode_array(message))) for message in probe.got["depth/source"]]
    assert {Source.MEASURED, Source.COMPLETED} <= sources[0]
    assert sources[1:] == [{Source.MONOCULAR}] * 2
    probe.spin_until(lambda: "monocular" in probe.diagnostics.get("degradation", ""))
    assert probe.diagnostics["metres"].startswith("the model alone")
    assert not probe.drops()


def test_a_completion_that_needs_its_scan_cannot_be_asked_to_go_on(
    make_completion: MakeNode, capfd: pytest.CaptureFixture[str]
) -> None:
    refused = make_completion(model="classical", lidar_lost="monocular")
    assert refused._pipeline is None
    assert "lidar_lost is monocular, and classical makes no metres without a scan" in capfd.readouterr().err
    node = make_completion(model="classical")
    answer = node.set_parameters([Parameter("lidar_lost", value="monocular")])[0]
    assert not answer.successful
    assert "give a metric model" in answer.reason
    assert node.get_parameter("lidar_lost").value == "silent"


def test_a_played_bag_becomes_depth(
    probe: Any, start: Callable[..., Any], make_metric: MakeModel, tmp_path: Path
) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for number in range(10):
            stamp = STAMP + number * TICK
            picture = np.full((120, 160, 3), number, np.uint8)
            writer.write("/cam/info", INFO, encode_camera(bag_factory, stamp, "camera", CAMERA), stamp)
            writer.write("/cam/image", IMAGE, encode_image(bag_factory, stamp, "camera", picture, "rgb8"), stamp)
    remaps = ["-r", "image:=/cam/image", "-r", "camera_info:=/cam/info"]
    parameters = ["-p", f"model:={make_metric()}", "-p", "queue_policy:=all", "-p", "engine:=onnxruntime"]
    node = start("depth_ros.nodes.monocular", "--ros-args", *remaps, *parameters)
    probe.spin_until(lambda: probe.diagnostics, 60)
    wait_for = ["--wait-for", "/cam/image", "/cam/info", "--wait-timeout", "30"]
    player = start("depth_ros.nodes.player", str(tmp_path / "bag"), *wait_for)
    probe.spin_until(lambda: len(probe.got["depth/image_rect"]) == 10, 60)
    code, said = player.wait()
    assert code == 0, said
    for number, message in enumerate(probe.got["depth/image_rect"]):
        assert np.allclose(decode_array(message), 1 + number / 255, rtol=1e-5)
    code, said = node.stop()
    assert code == 0, said
    assert "Traceback" not in said
