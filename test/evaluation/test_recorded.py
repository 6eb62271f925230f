from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.bags.bag_file import BagFile
from depth_ros.bags.writer import BagWriter, bag_factory
from depth_ros.errors import BagError, EvaluationError
from depth_ros.evaluation.recorded import score_recorded
from depth_ros.evaluation.result import ALL_RANGES, INSIDE, Result
from depth_ros.frame import Frame, Source
from depth_ros.messages.encode import encode_camera, encode_depth, encode_image

Depth = NDArray[np.float32]
STAMPS = [10_000_000_000 + number * 100_000_000 for number in range(5)]
IMAGE = "sensor_msgs/msg/Image"


@pytest.fixture
def truth_bag(tmp_path: Path, frame: Frame, truth: Depth) -> Path:
    assert frame.rgb is not None
    with BagWriter(tmp_path / "drive") as bag:
        for stamp in STAMPS:
            bag.write("/camera/image_raw", IMAGE, encode_image(bag_factory, stamp, "camera", frame.rgb, "rgb8"), stamp)
            info = encode_camera(bag_factory, stamp, "camera", frame.camera)
            bag.write("/camera/camera_info", "sensor_msgs/msg/CameraInfo", info, stamp)
            bag.write("/camera/depth_truth", IMAGE, encode_depth(bag_factory, stamp, "camera", truth), stamp)
    return tmp_path / "drive"


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    def write(
        depths: dict[int, Depth], name: str = "recorded", sigma: float | None = None, beside: bool = False
    ) -> Path:
        with BagWriter(tmp_path / name) as bag:
            for stamp, depth in depths.items():
                bag.write("/depth/image_rect", IMAGE, encode_depth(bag_factory, stamp, "camera", depth), stamp)
                if sigma is not None:
                    message = encode_depth(bag_factory, stamp, "camera", np.full_like(depth, sigma))
                    bag.write("/depth/sigma", IMAGE, message, stamp)
                if beside:
                    source = np.full(depth.shape, Source.COMPLETED, np.uint8)
                    source[40:60] = Source.MEASURED
                    bag.write(
                        "/depth/source", IMAGE, encode_image(bag_factory, stamp, "camera", source, "mono8"), stamp
                    )
        return tmp_path / name

    return write


def inside(result: Result) -> list[dict[str, float]]:
    return [s.values for s in result.scores if (s.region, s.range) == (INSIDE, ALL_RANGES)]


def test_equal_stamps_are_scored_and_missing_ones_counted(
    truth_bag: Path, record: Callable[..., Path], truth: Depth
) -> None:
    off_by_one_ns = {STAMPS[1]: truth + 0.2, STAMPS[2] + 1: truth, STAMPS[4]: truth + 0.2}
    result = score_recorded(record(off_by_one_ns), truth_bag)
    assert [values["mae_mm"] for values in inside(result)] == pytest.approx([200, 200], abs=0.1)
    assert result.facts["images"] == 5
    assert result.facts["depth maps"] == 3
    assert result.facts["with equal stamps"] == 2
    assert result.facts["missing"] == 3
    assert {score.source for score in result.scores} == {"drive"}


def test_sigma_and_source_beside_the_depth_are_used(truth_bag: Path, record: Callable[..., Path], truth: Depth) -> None:
    bag = record({STAMPS[0]: truth + 0.2}, sigma=0.15, beside=True)
    (values,) = inside(score_recorded(bag, truth_bag))
    assert values["pixels"] == 20 * 160, "covered rows are those with measured pixels"
    assert (values["within_1_sigma"], values["within_2_sigma"]) == (0.0, 1.0)


def test_labels_of_rep_117_count_as_unknown(truth_bag: Path, record: Callable[..., Path], truth: Depth) -> None:
    depth = truth + np.float32(0.2)
    depth[50:52], depth[54:56] = np.inf, -np.inf
    unknown = np.where(np.isfinite(depth), depth, np.float32(np.nan))
    bags = {"labels": depth, "nan": unknown}
    ((one,), (two,)) = (inside(score_recorded(record({STAMPS[0]: d}, name), truth_bag)) for name, d in bags.items())
    assert one["pixels"] > 0
    assert one == pytest.approx(two, nan_ok=True)


def test_what_cannot_be_scored_is_left_out_and_counted(
    truth_bag: Path, record: Callable[..., Path], truth: Depth, caplog: pytest.LogCaptureFixture
) -> None:
    bag = record({STAMPS[0]: truth, STAMPS[1]: truth[:50], STAMPS[2]: truth})
    with caplog.at_level(logging.WARNING):
        result = score_recorded(bag, truth_bag)
    counted = {name: result.facts[name] for name in ("images", "with equal stamps", "left out", "missing")}
    assert counted == {"images": 5, "with equal stamps": 2, "left out": 1, "missing": 2}
    assert f"1 of 3 images are left out; first: drive/{STAMPS[1]}: depth is (160, 50)" in caplog.text


def test_sigma_of_another_size_is_left_out(
    tmp_path: Path, truth_bag: Path, record: Callable[..., Path], truth: Depth
) -> None:
    whole = record({STAMPS[0]: truth, STAMPS[1]: truth}, sigma=0.1)
    with BagFile(whole) as bag, BagWriter(tmp_path / "odd") as odd:
        for message in bag.messages():
            if message.topic == "/depth/sigma" and message.arrival_ns == STAMPS[1]:
                other = encode_depth(bag_factory, STAMPS[1], "camera", truth[:50])
                odd.write(message.topic, IMAGE, other, message.arrival_ns)
            else:
                odd.write_raw(message.topic, message.type_name, message.raw, message.arrival_ns)
    facts = score_recorded(tmp_path / "odd", truth_bag).facts
    assert facts["left out"] == 1
    assert "its sigma (160, 50)" in facts["first left out"]


def test_truth_of_another_topic(tmp_path: Path, truth_bag: Path, record: Callable[..., Path], truth: Depth) -> None:
    with BagFile(truth_bag) as bag, BagWriter(tmp_path / "renamed") as renamed:
        for message in bag.messages():
            topic = message.topic.replace("/camera/depth_truth", "/exact")
            renamed.write_raw(topic, message.type_name, message.raw, message.arrival_ns)
    bag_of_depth = record({STAMPS[0]: truth + 0.2})
    with pytest.raises(EvaluationError, match="--topic truth=NAME"):
        score_recorded(bag_of_depth, tmp_path / "renamed")
    (values,) = inside(score_recorded(bag_of_depth, tmp_path / "renamed", topics={"truth": "/exact"}))
    assert values["mae_mm"] == pytest.approx(200, abs=0.1)


def test_pictures_are_drawn(tmp_path: Path, truth_bag: Path, record: Callable[..., Path], truth: Depth) -> None:
    bag = record(dict.fromkeys(STAMPS, truth), beside=True)
    result = score_recorded(bag, truth_bag, folder=tmp_path / "out", pictures=2, method="live")
    assert [picture.path for picture in result.pictures] == [
        "pictures/drive_0000_live.jpg",
        "pictures/drive_0004_live.jpg",
    ]
    assert all((tmp_path / "out" / picture.path).is_file() for picture in result.pictures)


def test_depth_and_truth_in_one_bag(truth_bag: Path) -> None:
    (values, *_) = inside(score_recorded(truth_bag, truth_bag, depth_topic="/camera/depth_truth"))
    assert values["mae_mm"] == 0.0


def test_what_does_not_fit_is_said(tmp_path: Path, truth_bag: Path, record: Callable[..., Path], truth: Depth) -> None:
    good = record({STAMPS[0]: truth})
    with pytest.raises(EvaluationError, match="holds no true depth"):
        score_recorded(good, good)
    with pytest.raises(EvaluationError, match=r"holds no /other: it has /depth/image_rect"):
        score_recorded(good, truth_bag, depth_topic="/other")
    with pytest.raises(EvaluationError, match="has the stamp of a true depth"):
        score_recorded(record({1: truth}, name="late"), truth_bag)
    with pytest.raises(EvaluationError, match="score the same camera"):
        score_recorded(record({STAMPS[0]: truth[:50]}, name="small"), truth_bag)
    with pytest.raises(BagError, match="does not exist"):
        score_recorded(tmp_path / "none", truth_bag)
