from __future__ import annotations

from pathlib import Path

import pytest

from depth_ros.errors import ConfigError
from depth_ros.training.config import MetricConfig, RunConfig, TrainConfig, read_config, write_config

SHIPPED = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize(
    ("name", "kind"), [("train_completion.yaml", TrainConfig), ("train_metric.yaml", MetricConfig)]
)
def test_the_shipped_files_say_every_default(name: str, kind: type[RunConfig]) -> None:
    config: RunConfig = read_config(SHIPPED / name, kind=kind)
    assert config == kind()
    named = {
        line.partition(":")[0] for line in (SHIPPED / name).read_text().splitlines() if line and line[0] not in "# "
    }
    assert named == set(kind.__dataclass_fields__)


def test_the_command_line_wins(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("batch: 8\nlr: 2e-3\nsteps: 5\n")
    config = read_config(path, ["batch=16", "bf16=false", "lr = 1e-4", "device=cpu"], pool="elsewhere", steps=None)
    assert (config.batch, config.bf16, config.lr, config.device) == (16, False, 1e-4, "cpu")
    assert (config.pool, config.steps, config.crop) == ("elsewhere", 5, (192, 384))


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    config = TrainConfig(lr=3e-5, pool="a b")
    write_config(config, tmp_path / "c.yaml")
    assert read_config(tmp_path / "c.yaml") == config


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bach: 8", "unknown setting 'bach'"),
        ("batch: many", "batch is 'many'"),
        ("batch: 0", "the least is 1"),
        ("device: tpu", "give one of auto, cpu, cuda"),
        ("- batch", "give lines"),
        ("batch: [", "cannot be read as YAML"),
        ("batch: null", "batch is None"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        read_config(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"), [("batch", "give name=value"), ("x=1", "unknown setting 'x'"), ("batch=", "batch is ''")]
)
def test_a_wrong_override_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        read_config(None, [text])


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        read_config(tmp_path / "none.yaml")
