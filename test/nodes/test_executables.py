from __future__ import annotations

from collections.abc import Callable

import pytest

from depth_ros.nodes import executables

Executable = Callable[[], int]


@pytest.mark.parametrize(
    "executable", [executables.completion_node, executables.monocular_node, executables.bag_player]
)
def test_ctrl_c_while_it_is_imported_is_a_quiet_end(executable: Executable, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt(name)

    monkeypatch.setattr(executables, "import_module", interrupted)
    assert executable() == 0


@pytest.mark.parametrize(
    "executable", [executables.completion_node, executables.monocular_node, executables.bag_player]
)
def test_they_are_the_nodes(
    executable: Executable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [executable.__name__, "--help"])
    with pytest.raises(SystemExit) as ended:
        executable()
    assert ended.value.code == 0
    assert f"usage: {executable.__name__}" in capsys.readouterr().out
