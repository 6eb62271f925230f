from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from depth_ros.cli.main import build_parser, main
from depth_ros.pipelines.factory import resolve


def test_points_of_an_rgbd_folder_on_the_command_line(
    rgbd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, numbers = tmp_path / "report", tmp_path / "numbers.json"
    argv = [
        "evaluate",
        str(rgbd),
        "--input",
        "points:200",
        "--report",
        str(report),
        "--json",
        str(numbers),
        "--pictures",
        "1",
    ]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["method", "MAE", "[mm]"]
    methods = list(dict.fromkeys([resolve("auto"), "classical", "nearest"]))
    assert [line.split()[0] for line in lines[1:]] == methods
    assert err.splitlines()[-1] == f"report: {report / 'report.html'}"
    facts = json.loads(numbers.read_text())["facts"]
    assert facts["given"] == "200 random known pixels"
    assert facts.get("models", "classical").startswith(methods[0])
    assert (report / "metrics.json").is_file()
    assert len(list((report / "pictures").iterdir())) == len(methods)


def test_depth_of_the_image_alone_is_scored_everywhere(
    rgbd: Path, make_metric: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model says 1 x (1 + 90 / 255) m everywhere; the truth falls evenly from 8 m to 2 m."""
    model = str(make_metric())
    argv = ["evaluate", str(rgbd), "--input", "none", "--model", model, "--engine", "onnxruntime"]
    assert main([*argv, "--json", "-", "--report", str(tmp_path / "report")]) == 0
    content = json.loads(capsys.readouterr().out)
    (whole,) = (mean for mean in content["means"] if (mean["region"], mean["range"]) == ("inside", "all"))
    assert whole["method"] == model
    assert whole["values"]["mae_mm"] == pytest.approx(5000 - 1000 * (1 + 90 / 255), rel=1e-3)
    assert (whole["values"]["answered"], whole["values"]["pixels"]) == (1.0, 120 * 80)
    assert content["facts"]["given"] == "the image alone"
    assert "metre 1.0 by onnxruntime" in content["facts"]["models"]


@pytest.mark.parametrize(
    ("more", "text"),
    [(["--model", "classical"], "give the file of a metric model"), (["--no-image"], "nothing to make depth of")],
)
def test_what_cannot_do_without_lidar_is_one_line(
    rgbd: Path, more: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(rgbd), "--input", "none", *more]) == 1
    err = capsys.readouterr().err
    assert text in err
    assert len(err.splitlines()) == 1


def test_json_on_standard_output_is_all_there_is(rgbd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(rgbd), "--input", "points:200", "--model", "nearest", "--json", "-"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert {mean["method"] for mean in content["means"]} == {"nearest"}


def test_a_model_file_with_and_without_its_image_beside_the_classical_completion(
    rgbd: Path, make_toy: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    toy = str(make_toy())
    argv = ["evaluate", str(rgbd), "--input", "points:200", "--no-image", "--precision", "f32", "--json", "-"]
    assert main([*argv, "--model", toy, "--model", "classical"]) == 0
    content = json.loads(capsys.readouterr().out)
    means = {
        mean["method"]: mean["values"]
        for mean in content["means"]
        if (mean["region"], mean["range"]) == ("inside", "all")
    }
    assert list(means) == [toy, f"{toy}, no image", "classical", "classical, no image"]
    assert means[toy]["mae_mm"] == pytest.approx(means["classical"]["mae_mm"], rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["{tmp}/none"], "does not exist"),
        (["{tmp}/empty"], "holds no frames"),
        (["{rgbd}"], "there is no LiDAR scan"),
        (["{rgbd}", "--input", "points:99999999"], "random points"),
        (["{rgbd}", "--input", "dots"], "give rings"),
        (["{rgbd}", "--phase", "4", "--holdout", "4"], "phase 4"),
        (["{rgbd}", "--input", "file:none.png"], "none.png"),
        (["{rgbd}", "--model", "magic"], "unknown model"),
        (["{rgbd}", "--truth", "x"], "--truth goes with --depth-topic"),
        (["{rgbd}", "{rgbd}", "--depth-topic", "/d"], "scores one bag"),
        (["{rgbd}", "--depth-topic", "/d", "--extrinsics", "e.txt"], "leave --extrinsics and --motion out"),
        (["{rgbd}", "--depth-topic", "/d", "--motion", "tf"], "leave --extrinsics and --motion out"),
        (["{rgbd}", "--topic", "lidar=/a"], "ROLE is image, camera_info, points, truth"),
        (["{rgbd}", "--topic", "image"], "give ROLE=NAME"),
        (["{rgbd}", "--topic", "image=/a", "--topic", "image=/b"], "is given twice"),
        (["{rgbd}", "--topic", "image=/a"], "topics, extrinsics, motion and times of points have no meaning"),
        (["{rgbd}", "--scan-stamp", "end"], "times of points have no meaning"),
        (["/dev/null"], "is neither a file nor a folder"),
        (["{rgbd}", "--input", "points:9", "--report", "{tmp}/file/r"], "cannot be written"),
        (["{rgbd}", "--input", "points:9", "--json", "{tmp}/file/j"], "cannot be written"),
    ],
)
def test_known_errors_are_one_line(
    arguments: list[str], text: str, rgbd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    assert main(["evaluate", *(entry.format(tmp=tmp_path, rgbd=rgbd) for entry in arguments)]) == 1
    err = capsys.readouterr().err
    assert text in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x", "--phase", "some"],
        ["x", "--phase", "-1"],
        ["x", "--workers", "two"],
        ["x", "--workers", "0"],
        ["x", "--pictures", "-3", "--report", "r"],
        ["x", "--holdout", "-2"],
        ["x", "--holdout", "65"],
        ["x", "--seed", "-1"],
        ["x", "--seed", "9" * 5000],
    ],
)
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", *arguments])


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        build_parser().parse_args(["evaluate", "--help"])
    assert "depth_ros evaluate MY_BAG" in capsys.readouterr().out


@pytest.mark.real
@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        ("kitti/object_training/000008", ["--phase", "all"]),
        ("kitti/depth_gt", ["--input", "points:500"]),
        ("nuscenes/sample0/CAM_FRONT", []),
        ("pjlab/ours_2", ["--holdout", "2"]),
        ("rgbd/nyu_hallway", ["--input", "points:500"]),
        ("rgbd/ibims_plants", ["--input", "file:sparse_1000.png"]),
    ],
)
def test_real_frames_of_every_kind(
    real_data: Path, source: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(real_data / source), "--json", "-", *arguments]) == 0
    means = json.loads(capsys.readouterr().out)["means"]
    delta1 = {m["method"]: m["values"]["delta1"] for m in means if (m["region"], m["range"]) == ("inside", "all")}
    assert delta1["classical"] > 0.7
