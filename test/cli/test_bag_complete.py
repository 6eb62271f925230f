"""The verb `bag complete` and the options that name topics and extrinsics, on a second of a synthetic drive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from depth_ros.bags.bag_file import BagFile, decode_recorded
from depth_ros.bags.writer import DEPTH_INFO_TOPIC, DEPTH_TOPIC, SIGMA_TOPIC, SOURCE_TOPIC, BagWriter
from depth_ros.cli.main import main
from depth_ros.messages.decode import stamp_ns
from depth_ros.synthetic.bag import write_synthetic_bag

IMAGE = "/camera/image_raw"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthetic") / "street"
    write_synthetic_bag(path, 1.0, 4, width=160, height=96, lidar="spin16")
    return path


def stamps(bag: Path, topic: str) -> list[int]:
    with BagFile(bag) as opened:
        return [stamp_ns(decode_recorded(message).header.stamp) for message in opened.messages([topic])]


def inside(result: dict[str, Any]) -> dict[str, float]:
    means = result["means"]
    values: dict[str, float] = next(m["values"] for m in means if (m["region"], m["range"]) == ("inside", "all"))
    return values


def copy(source: Path, target: Path, *, names: dict[str, str] | None = None, without: tuple[str, ...] = ()) -> Path:
    with BagFile(source) as bag, BagWriter(target) as out:
        for message in bag.messages():
            if message.topic not in without:
                topic = (names or {}).get(message.topic, message.topic)
                out.write_raw(topic, message.type_name, message.raw, message.arrival_ns)
    return target


@pytest.mark.parametrize(("encoding", "storage"), [("32FC1", "mcap"), ("16UC1", "sqlite3")])
def test_depth_of_a_whole_bag_is_scored(
    street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], encoding: str, storage: str
) -> None:
    out = tmp_path / "depth"
    # Exactly comparable: a network's answer hangs on the number of threads and the engine.
    model = ["--model", "classical"]
    command = ["bag", "complete", str(street), "--out", str(out), "--encoding", encoding, "--storage", storage, *model]
    assert main([*command, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["left_out"] == 0
    assert 0 < figures["ms_median"] <= figures["ms_most"]
    assert 0 < figures["residual_percent"] < 3
    images = stamps(street, IMAGE)
    assert figures["depth_maps"] >= len(images) - 1
    with BagFile(out) as bag:
        assert set(bag.topics) == {DEPTH_TOPIC, DEPTH_INFO_TOPIC, SIGMA_TOPIC, SOURCE_TOPIC}
        messages = [(message.arrival_ns, decode_recorded(message)) for message in bag.messages()]
    assert all(arrival == stamp_ns(message.header.stamp) for arrival, message in messages)
    assert stamps(out, DEPTH_TOPIC) == stamps(out, SOURCE_TOPIC)
    assert set(stamps(out, DEPTH_TOPIC)) <= set(images)
    assert main(["evaluate", str(out), "--depth-topic", DEPTH_TOPIC, "--truth", str(street), "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["facts"]["with equal stamps"] == figures["depth_maps"]
    assert main(["evaluate", str(street), *model, "--json", "-"]) == 0
    replayed = json.loads(capsys.readouterr().out)
    for key, off in (("delta1", 1e-3), ("within_1_sigma", 0.01), ("answered", 0.01)):
        assert inside(result)[key] == pytest.approx(inside(replayed)[key], abs=off)
    assert inside(result)["mae_mm"] == pytest.approx(inside(replayed)["mae_mm"], rel=0.01)
    assert main([*command, "--overwrite"]) == 0
    assert figures["images"] == len(images)
    assert f"{figures['depth_maps']} depth maps of {len(images)} images, 0 frames left out, " in capsys.readouterr().out
    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err


def test_topics_and_extrinsics_are_named(street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extrinsics = tmp_path / "extrinsics.yaml"
    assert main(["bag", "extrinsics", str(street), "--out", str(extrinsics), "--topic", f"image={IMAGE}"]) == 0
    bare = copy(street, tmp_path / "bare", without=("/tf_static",), names={"/camera/depth_truth": "/exact"})
    assert main(["bag", "info", str(bare)]) == 0
    assert "can complete: no, because no transform joins" in capsys.readouterr().out
    assert main(["bag", "info", str(bare), "--extrinsics", str(extrinsics)]) == 0
    assert "can complete: yes" in capsys.readouterr().out
    for verb in (["evaluate", str(bare)], ["bag", "complete", str(bare), "--out", str(tmp_path / "out")]):
        assert main(verb) == 1
        assert "(--extrinsics FILE)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    named = ["--extrinsics", str(extrinsics), "--topic", "truth=/exact"]
    assert main(["evaluate", str(bare), "--model", "nearest", "--json", "-", *named]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["scored on"] == "the truth that the source holds"
    assert main(["bag", "complete", str(bare), "--out", str(tmp_path / "out"), *named]) == 0


def test_two_cameras_need_a_topic_and_the_message_names_the_option(
    street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BagFile(street) as bag, BagWriter(tmp_path / "two") as two:
        for message in bag.messages():
            two.write_raw(message.topic, message.type_name, message.raw, message.arrival_ns)
            if message.topic in (IMAGE, "/camera/camera_info"):
                topic = message.topic.replace("/camera/", "/left/")
                two.write_raw(topic, message.type_name, message.raw, message.arrival_ns)
    assert main(["evaluate", str(tmp_path / "two")]) == 1
    assert "name one, as --topic image=/camera/image_raw" in capsys.readouterr().err
    assert main(["bag", "info", str(tmp_path / "two"), "--topic", "image=/left/image_raw"]) == 0
    assert "can complete: yes (image = /left/image_raw, camera_info = /left/camera_info" in capsys.readouterr().out


def test_the_source_is_never_overwritten(street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = copy(street, tmp_path / "bag")
    (file,) = bag.glob("*.mcap")
    for source in (bag, file):
        assert main(["bag", "complete", str(source), "--out", str(bag), "--overwrite"]) == 1
        assert "give another --out" in capsys.readouterr().err
    assert stamps(bag, IMAGE) == stamps(street, IMAGE)


def test_a_source_without_frames_costs_no_earlier_bag(
    street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = copy(street, tmp_path / "earlier")
    for without, text in (("/lidar/points", "no PointCloud2 topic"), (IMAGE, "no colour image topic")):
        blind = copy(street, tmp_path / f"blind{len(text)}", without=(without,))
        command = ["bag", "complete", str(blind), "--out", str(earlier), "--overwrite", "--model", "classical"]
        assert main(command) == 1
        assert text in capsys.readouterr().err
    assert stamps(earlier, IMAGE) == stamps(street, IMAGE)


def test_frames_that_cannot_be_completed_are_left_out(
    street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with BagFile(street) as bag, BagWriter(tmp_path / "odd") as odd:
        first = bag.first(IMAGE)
        assert first is not None
        for message in bag.messages():
            if message.topic == IMAGE and stamp_ns(decode_recorded(message).header.stamp) == stamp_ns(
                first.header.stamp
            ):
                first.height //= 2
                first.data = first.data[: first.height * first.step]
                odd.write(IMAGE, message.type_name, first, message.arrival_ns)
            else:
                odd.write_raw(message.topic, message.type_name, message.raw, message.arrival_ns)
    assert main(["bag", "complete", str(tmp_path / "odd"), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == 1
    assert "1 frames are left out; first: frame " in caplog.text
    caplog.clear()
    assert main(["evaluate", str(tmp_path / "odd"), "--model", "nearest", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["left out"] == 1


@pytest.mark.parametrize("wrong", [["--model", "magic"], ["--topic", "lidar=/a"], ["--extrinsics", "none.txt"]])
def test_wrong_options_are_one_line(
    street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    assert main(["bag", "complete", str(street), "--out", str(tmp_path / "out"), *wrong]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "out").exists()
