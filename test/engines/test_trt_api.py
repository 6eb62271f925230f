"""Every name of TensorRT that our code touches is there in each version that we support.

The versions' own Python bindings are asked, with empty libraries under them (they need nine C symbols to load). The
folder that DEPTH_ROS_TENSORRT_BINDINGS names, or .venv/bindings, has one folder per version, as
`pip install --no-deps --target` fills it; see requirements/tensorrt.txt.
"""

from __future__ import annotations

import ast
import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from depth_ros.engines import tensorrt, trt_build, trt_probe, trt_run

ROOT = Path(__file__).parents[2]
BINDINGS = Path(os.environ.get("DEPTH_ROS_TENSORRT_BINDINGS", ROOT / ".venv" / "bindings"))
VERSIONS = ("10.3.0", "10.16.1.11", "11.4.0.106")
COMPILER = shutil.which("cc") or shutil.which("gcc")
SOURCES = [Path(str(module.__file__)) for module in (tensorrt, trt_build, trt_probe, trt_run)]
CLASSES = {
    "builder": "Builder",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "error": "ParserError",
    "tensor": "ITensor",
    "config": "IBuilderConfig",
    "_runtime": "Runtime",
    "engine": "ICudaEngine",
    "_context": "IExecutionContext",
    "_config": "IRuntimeConfig",
    "_kernels": "IRuntimeCache",
}
"""What a name of a variable or attribute stands for in our code."""
CHAINED = {"ILayer.get_output_type", "DataType.name", "DataType.FLOAT", "DataType.UINT8", "DataType.HALF"}
MONITOR = {f"IProgressMonitor.{name}" for name in ("phase_start", "phase_finish", "step_complete")}
RTX_ALONE = {"IRuntimeCache", "ICudaEngine.create_runtime_config"}
SYMBOLS = [
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "getBuilderPluginRegistry",
    "getPluginRegistry",
    "getNvOnnxParserVersion",
    "initLibNvInferPlugins",
]
ASK = """
import ctypes, importlib, json, sys
module, names, libraries = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
for library in libraries:
    ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
trt = importlib.import_module(module)
def has(name):
    thing = trt
    for part in name.split("."):
        if not hasattr(thing, part):
            return False
        thing = getattr(thing, part)
    return True
missing = [name for name in names if not has(name)]
print(json.dumps({"version": trt.__version__, "missing": missing}))
"""


def touched() -> set[str]:
    """Return the names, such as `Builder.create_network`, that our code asks TensorRT for."""
    names = set(CHAINED | MONITOR)
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                names |= {name for name in [_name(node)] if name}
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hasattr":
                names.add(str(ast.literal_eval(node.args[1])))
    return names


def _name(node: ast.Attribute) -> str:
    path = [node.attr]
    inner: ast.expr = node.value
    while isinstance(inner, ast.Attribute):
        path.append(inner.attr)
        inner = inner.value
    root = inner.id if isinstance(inner, ast.Name) else ""
    if root == "trt" or "_trt" in path:
        return ".".join(reversed(path[: path.index("_trt")] if "_trt" in path else path))
    holder = path[1] if len(path) > 1 else root
    return f"{CLASSES[holder]}.{path[0]}" if holder in CLASSES and root in (holder, "self", "plan") else ""


WANTED = {name for name in touched() if not name.startswith("__") and name not in ("", "ICudaEngine.is_alive")}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Empty libraries, that answer NULL to everything, by major version."""
    if COMPILER is None:
        pytest.skip("THE NAMES OF CLASSIC TENSORRT ARE NOT TESTED: no C compiler")
    folder = tmp_path_factory.mktemp("libraries")
    (folder / "none.c").write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in SYMBOLS))
    made: dict[str, list[str]] = {"10": [], "11": []}
    for major, files in made.items():
        for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser"):
            out = folder / f"lib{name}.so.{major}"
            soname = f"-Wl,-soname,{out.name}"
            subprocess.run([COMPILER, "-shared", "-fPIC", soname, "-o", str(out), str(folder / "none.c")], check=True)
            files.append(str(out))
    return made


def ask(module: str, path: Path | None, names: set[str], libraries: list[str]) -> dict[str, object]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*([str(path)] if path else []), *sys.path])}
    command = [sys.executable, "-c", ASK, module, json.dumps(sorted(names)), *libraries]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    return dict(json.loads(done.stdout.strip().rpartition("\n")[2]))


def test_what_is_touched_is_found_in_our_code() -> None:
    some = {
        "Builder.build_serialized_network",
        "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
        "OnnxParser.parse_from_file",
        "ParserError.node_operator",
        "IBuilderConfig.progress_monitor",
        "ITensor.shape",
        "Runtime.deserialize_cuda_engine",
        "ICudaEngine.get_tensor_mode",
        "IExecutionContext.execute_async_v3",
        "IRuntimeCache.serialize",
        "TensorIOMode.INPUT",
        "ILogger.Severity.ERROR",
        "Logger.ERROR",
    }
    assert some <= WANTED
    assert len(WANTED) > 35


@pytest.mark.parametrize("version", VERSIONS)
def test_classic_tensorrt_has_every_name(version: str, libraries: dict[str, list[str]]) -> None:
    files = libraries[version.partition(".")[0]]
    if not (BINDINGS / version).is_dir():
        pytest.skip(f"THE NAMES OF TENSORRT {version} ARE NOT TESTED: {BINDINGS} has no bindings of it")
    classic = {name for name in WANTED if not name.startswith(("IRuntimeC", *RTX_ALONE))}
    found = ask("tensorrt_bindings", BINDINGS / version, classic | {"Builder"}, files)
    assert str(found["version"]).startswith(version.rpartition(".")[0])
    assert found["missing"] == []
    assert ask("tensorrt_bindings", BINDINGS / version, {"Builder.abacus"}, files)["missing"] == ["Builder.abacus"]


def test_tensorrt_rtx_has_every_name_and_says_that_it_caches_kernels() -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    assert ask("tensorrt_rtx", None, WANTED, [])["missing"] == []
    assert "runtime_config" in trt.ICudaEngine.create_execution_context.__doc__


def test_the_gpus_driver_is_declared_whole() -> None:
    """Every function that is called is declared; a pointer that ctypes took for an int would lose its upper half."""
    from depth_ros.engines import device_cuda

    source = Path(str(device_cuda.__file__)).read_text(encoding="utf-8")
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    used = {text for text in texts if isinstance(text, str) and text.startswith("cu") and text[2:3].isupper()}
    assert used == set(device_cuda.SIGNATURES)
    assert all(ctypes.sizeof(kind) for types in device_cuda.SIGNATURES.values() for kind in types)
