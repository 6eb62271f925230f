"""A checkpoint folder of transformers: what is wrong with it is one line, before anything of it is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depth_ros.errors import ExportError
from depth_ros.export.checkpoint import read_checkpoint
from depth_ros.export.presets import PRESETS, find_preset

MakeFolder = Callable[..., Path]
DPT = {
    "size": {"height": 518, "width": 518},
    "ensure_multiple_of": 14,
    "keep_aspect_ratio": True,
    "resample": 3,
    "rescale_factor": 1 / 255,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "do_pad": False,
}


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    def make(
        config: dict[str, Any], processor: dict[str, Any] | None = None, weights: str = "model.safetensors"
    ) -> Path:
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        if processor is not None:
            (folder / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")
        (folder / weights).write_bytes(b"weights")
        return folder

    return make


def one_line(folder: Path, preset: str, told: str) -> None:
    with pytest.raises(ExportError, match=told) as caught:
        read_checkpoint(folder, find_preset(preset))
    assert "\n" not in str(caught.value)


RELATIVE = {"model_type": "depth_anything"}
METRIC = {**RELATIVE, "depth_estimation_type": "metric", "max_depth": 20}


def test_a_presets_own_settings_are_those_of_its_published_checkpoint(make_folder: MakeFolder) -> None:
    preset = find_preset("depth-anything-v2-small")
    found = read_checkpoint(make_folder(RELATIVE, DPT), preset).preset
    assert found.resize == preset.resize
    assert found.mean == pytest.approx(preset.mean)
    assert found.std == pytest.approx(preset.std)


def test_a_checkpoints_sizes_and_range_go_before_those_of_the_preset(make_folder: MakeFolder) -> None:
    processor = {**DPT, "size": {"height": 280, "width": 392}, "resample": 2, "do_normalize": False}
    found = read_checkpoint(make_folder({**METRIC, "max_depth": 7}, processor), find_preset(INDOOR)).preset
    assert (found.resize.size, found.resize.filter, found.limits[1]) == ((280, 392), "pil_bilinear", 7)
    assert (found.mean, found.std) == ((0, 0, 0), (255, 255, 255))


INDOOR = "depth-anything-v2-metric-indoor"


def test_the_width_that_depth_pro_sees_is_its_canonical_one(make_folder: MakeFolder) -> None:
    processor = {"size": {"height": 768, "width": 768}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    found = read_checkpoint(make_folder({"model_type": "depth_pro"}, processor), find_preset("depth-pro-transformers"))
    assert (found.preset.resize.size, found.preset.canonical_focal) == ((768, 768), 768)


def test_sizes_that_do_not_keep_the_aspect_are_rounded_to_the_multiple(make_folder: MakeFolder) -> None:
    processor = {"size": 500, "keep_aspect_ratio": False, "ensure_multiple_of": 32, "resample": 2}
    found = read_checkpoint(make_folder({"model_type": "dpt"}, processor), find_preset("dpt")).preset
    assert (found.resize.policy, found.resize.size) == ("stretch", (512, 512))


def test_weights_in_several_files_are_all_summed(make_folder: MakeFolder) -> None:
    folder = make_folder(RELATIVE)
    one = read_checkpoint(folder, find_preset("depth-anything-v2-small"))
    assert one.weights == (folder / "model.safetensors",)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}')
    one_line(folder, "depth-anything-v2-small", r"has no 1\.safetensors: get the weights as safetensors")
    for name in ("1", "2"):
        (folder / f"{name}.safetensors").write_bytes(name.encode())
    both = read_checkpoint(folder, find_preset("depth-anything-v2-small"))
    assert [path.name for path in both.weights] == ["1.safetensors", "2.safetensors"]
    assert both.sha256 != one.sha256


def test_pickles_are_refused(make_folder: MakeFolder) -> None:
    folder = make_folder(RELATIVE, weights="pytorch_model.bin")
    one_line(
        folder, "depth-anything-v2-small", "has no model.safetensors, only pytorch_model.bin, and reading a pickle"
    )
    (folder / "pytorch_model.bin").unlink()
    one_line(folder, "depth-anything-v2-small", r"has no model\.safetensors: get the weights as safetensors")


def test_weights_outside_the_folder_are_refused(make_folder: MakeFolder) -> None:
    folder = make_folder(RELATIVE)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../model.safetensors"}}')
    one_line(folder, "depth-anything-v2-small", "has no ../model.safetensors")


def test_another_model_than_the_preset_is_one_line(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(METRIC)
    one_line(folder, "zoedepth", "holds a 'depth_anything', and zoedepth is a 'zoedepth': choose another preset")
    one_line(folder, "depth-anything-v2-small", "holds a metric model, and depth-anything-v2-small is relative")
    one_line(folder, "metric3d-v2-small", "metric3d-v2-small is no model of transformers: give an ONNX file")
    one_line(tmp_path, INDOOR, r"config\.json cannot be read .*a checkpoint folder has config\.json")
    (folder / "config.json").write_text("{", encoding="utf-8")
    one_line(folder, INDOOR, "config.json is not JSON")
    (folder / "config.json").write_text("[]", encoding="utf-8")
    one_line(folder, INDOOR, "config.json is not a JSON object")


@pytest.mark.parametrize(
    "processor",
    [
        {**DPT, "do_pad": True, "size_divisor": 14},
        {**DPT, "do_resize": False},
        {**DPT, "resample": 1},
        {**DPT, "size": {"shortest_edge": 518}},
        {**DPT, "size": "large"},
        {**DPT, "ensure_multiple_of": 0, "keep_aspect_ratio": False},
        {**DPT, "image_mean": [0.5]},
    ],
)
def test_pre_processing_that_is_not_known_is_one_line(make_folder: MakeFolder, processor: dict[str, Any]) -> None:
    one_line(make_folder(RELATIVE, processor), "depth-anything-v2-small", "asks for what is not known here")


def test_every_preset_says_how_its_file_is_had() -> None:
    for preset in PRESETS.values():
        assert bool(preset.architecture) == bool(preset.checkpoint)
        assert preset.downloads or preset.checkpoint or preset.by_hand
        for download in preset.downloads:
            assert len(download.sha256) in (0, 64)


def test_the_page_of_models_has_every_preset_with_its_licence() -> None:
    rows = (Path(__file__).parents[2] / "docs/models.md").read_text(encoding="utf-8").splitlines()
    for preset in PRESETS.values():
        (row,) = (row for row in rows if row.startswith(f"| `{preset.name}` |"))
        assert [preset.task, preset.licence] == [cell.strip() for cell in row.split("|")[2:4]]
        sums = [bool(download.sha256) for download in preset.downloads]
        assert ("sum known" in row, "sum not" in row) == (bool(sums) and all(sums), bool(sums) and not all(sums))
