"""The rows of gpu_check: what each exports, runs and measures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

TENSORRT = ("tensorrt", "tensorrt_rtx")
GATES = {"f32": (5e-3, 1e-3), "f16": (5e-3, 1e-3), "int8": (5e-2, 1.5e-2)}
"""Most relative difference of depth from ONNX Runtime's answer of the f32 file: p99 and mean; f32 with TF32."""


class Row(NamedTuple):
    """One thing that is run."""

    engine: str
    precision: str
    size: tuple[int, int]
    batch: int

    @property
    def name(self) -> str:
        """Name of the row in the record."""
        return f"{self.engine} {self.precision} {self.size[0]}x{self.size[1]} batch {self.batch}"


def export(row: Row, out: Path) -> dict[str, Any]:
    """Have the weights, the row's file, and the reference for its size and batch."""
    from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
    from depth_ros.export.parity import made_up
    from depth_ros.export.quantize import quantize
    from depth_ros.export.to_onnx import export_completion
    from depth_ros.models.card import ModelCard

    weights = out / "weights.safetensors"
    if not weights.is_file():
        _seeded(weights)
    for precision in ("f32", row.precision):
        path = _file(out, precision, row.batch)
        if path.is_file():
            continue
        if precision == "int8":
            samples = [made_up(352, 1216, seed, row.batch) for seed in range(2)]
            quantize(_file(out, "f32", row.batch), path, samples, scheme="s8s8")
        else:
            export_completion(weights, path, ModelCard("seeded", "0"), precision=precision, batch=row.batch)
    reference = _reference(out, row)
    if not reference.is_file():
        engine = OnnxRuntimeEngine(_file(out, "f32", row.batch))
        np.save(reference, engine.run(made_up(*row.size, 0, row.batch))["depth"])
    return {}


def _seeded(path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from depth_ros.networks.completion import CompletionNet

    torch.manual_seed(0)
    network = CompletionNet()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None  # noqa: PT018
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    torch.nn.init.normal_(network.head.weight, 0, 0.1)
    save_file(network.state_dict(), path)


def _file(out: Path, precision: str, batch: int) -> Path:
    return out / f"completion_{precision}_{batch}.onnx"


def _reference(out: Path, row: Row) -> Path:
    return out / f"reference_{row.size[0]}x{row.size[1]}_{row.batch}.npy"


def measure(row: Row, out: Path, runs: int) -> dict[str, Any]:
    """Run a row: its answer against the reference, its times, its memory."""
    from depth_ros.export.parity import made_up

    frame = made_up(*row.size, 0, row.batch)
    found = (measure_tensorrt if row.engine in TENSORRT else measure_torch)(row, out, runs, frame)
    wanted = np.load(_reference(out, row))
    relative = np.abs(found.pop("depth") - wanted) / wanted
    differences = {"p99": float(np.percentile(relative, 99)), "mean": float(relative.mean())}
    p99, mean = GATES[row.precision]
    passed = differences["p99"] <= p99 and differences["mean"] <= mean
    return {**found, "difference": differences, "passed": bool(passed)}


def measure_tensorrt(row: Row, out: Path, runs: int, frame: dict[str, Any]) -> dict[str, Any]:
    """Build, test, run; times with and without a graph."""
    from depth_ros.engines.bench import percentiles
    from depth_ros.engines.device_cuda import free_memory
    from depth_ros.engines.factory import ENGINES
    from depth_ros.engines.tensorrt import TensorRtEngine
    from depth_ros.errors import EngineError

    kind = ENGINES[row.engine]
    reason = kind.probe().reason
    if reason:
        raise EngineError(reason)
    engine = kind(_file(out, row.precision, row.batch), 0, "auto")
    assert isinstance(engine, TensorRtEngine)
    start = perf_counter()
    engine.fit({name: array.shape for name, array in frame.items()})
    ready = perf_counter() - start
    walls = _walls(lambda: engine.run(frame), runs)
    graph = _stages(lambda: engine.time_stages(frame), runs)
    plain = _stages(lambda: engine.time_stages(frame, with_graph=False), runs)
    start = perf_counter()
    count = sum(1 for _ in engine.run_all([frame] * runs))
    free, total = free_memory()
    return {
        "depth": engine.run(frame)["depth"],
        "runs_on": str(engine.info),
        "ready_seconds": round(ready, 2),
        "frame_ms": percentiles(walls),
        **{stage: percentiles(times) for stage, times in graph.items()},
        "compute_without_graph": percentiles(plain["compute"]),
        "images_per_second": round(count * row.batch / (perf_counter() - start), 1),
        "gpu_memory_mb": round((total - free) / 2**20),
        "self_test": {name: gate._asdict() for name, gate in engine.differences.items()},
    }


def measure_torch(row: Row, out: Path, runs: int, frame: dict[str, Any]) -> dict[str, Any]:
    """Run the network itself in torch: eager, compiled, or eager as a CUDA graph; the baseline."""
    import torch

    from depth_ros.engines.bench import percentiles
    from depth_ros.errors import EngineError
    from depth_ros.export.to_onnx import for_inference, load_network

    if not torch.cuda.is_available():
        raise EngineError("torch sees no GPU: install a build of torch with CUDA")
    network = for_inference(load_network(out / "weights.safetensors"), half=row.precision == "f16").cuda()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs = [torch.from_numpy(array).pin_memory() for array in frame.values()]
    there = [tensor.cuda() for tensor in inputs]
    compiled: Any = torch.compile(network) if row.engine == "torch_compile" else network
    start = perf_counter()
    with torch.inference_mode():
        for _ in range(5):
            answer = compiled(*there)
        torch.cuda.synchronize()
        call: Callable[[], Any] = lambda: compiled(*there)  # noqa: E731
        if row.engine == "torch_graph":
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                answer = compiled(*there)
            call = graph.replay
        ready = perf_counter() - start
        home = [torch.empty_like(tensor, device="cpu").pin_memory() for tensor in answer]
        steps: dict[str, Callable[[], Any]] = {
            "upload": lambda: [to.copy_(of, non_blocking=True) for to, of in zip(there, inputs, strict=True)],
            "compute": call,
            "download": lambda: [to.copy_(of, non_blocking=True) for to, of in zip(home, answer, strict=True)],
        }

        def whole() -> None:
            for step in steps.values():
                step()
            torch.cuda.synchronize()

        walls = _walls(whole, runs)
        times = _stages(lambda: _torch_stages(torch, steps), runs)
    return {
        "depth": answer[0].float().cpu().numpy(),
        "runs_on": f"torch {torch.__version__} on {torch.cuda.get_device_name()}",
        "ready_seconds": round(ready, 2),
        "frame_ms": percentiles(walls),
        **{stage: percentiles(values) for stage, values in times.items()},
        "images_per_second": round(1e3 * row.batch / float(np.median(walls)), 1),
        "gpu_memory_mb": round(torch.cuda.max_memory_allocated() / 2**20),
    }


def _torch_stages(torch: Any, steps: dict[str, Callable[[], Any]]) -> dict[str, float]:
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(len(steps) + 1)]
    marks[0].record()
    for mark, step in zip(marks[1:], steps.values(), strict=True):
        step()
        mark.record()
    torch.cuda.synchronize()
    return {name: a.elapsed_time(b) for name, a, b in zip(steps, marks, marks[1:], strict=False)}


def _walls(call: Callable[[], Any], runs: int) -> list[float]:
    times = []
    for _ in range(runs + 10):
        start = perf_counter()
        call()
        times.append(1e3 * (perf_counter() - start))
    return times[10:]


def _stages(call: Callable[[], dict[str, float]], runs: int) -> dict[str, list[float]]:
    found = [call() for _ in range(runs + 10)][10:]
    return {stage: [times[stage] for times in found] for stage in found[0]}
