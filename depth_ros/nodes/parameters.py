"""Settings dataclasses as a node's parameters: declared from them, read back into them, kept equal to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import Field, fields
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from depth_ros.config import from_mapping
from depth_ros.errors import ConfigError, DepthRosError

T = TypeVar("T")


class ParameterGroup(Generic[T]):
    """One settings object, held as parameters `<prefix><field>` of a node.

    value: the settings as they stand. Raises ConfigError, in one line, when an override has a wrong type or range.
    """

    def __init__(self, node: Node, default: T, prefix: str = "") -> None:
        self._prefix = prefix
        self._fields: dict[str, Field[Any]] = {prefix + entry.name: entry for entry in fields(default)}  # type: ignore[arg-type]
        values = {name: _declare(node, name, entry, default) for name, entry in self._fields.items()}
        self.value: T = from_mapping(type(default), {self._fields[name].name: values[name] for name in values})

    def proposed(self, parameters: Sequence[Parameter]) -> T:
        """Return the settings with `parameters` set; the very same object when none of them belongs here."""
        changes = {self._fields[p.name].name: p.value for p in parameters if p.name in self._fields}
        if not changes:
            return self.value
        present = {entry.name: getattr(self.value, entry.name) for entry in self._fields.values()}
        return from_mapping(type(self.value), {n: _plain(v, present[n]) for n, v in {**present, **changes}.items()})


Apply = Callable[[Sequence[ParameterGroup[Any]]], None]


def watch(node: Node, groups: Sequence[ParameterGroup[Any]], apply: Apply) -> None:
    """Keep `groups` equal to the node's parameters: a change takes effect, or is refused with its reason.

    `apply` is called with the groups that changed, their new values in place; a DepthRosError from it refuses the
    change, and the old values return.
    """

    def on_set(parameters: Sequence[Parameter]) -> SetParametersResult:
        before = [group.value for group in groups]
        try:
            after = [group.proposed(parameters) for group in groups]
            for group, value in zip(groups, after, strict=True):
                group.value = value
            apply([group for group, old in zip(groups, before, strict=True) if group.value is not old])
        except DepthRosError as error:
            for group, value in zip(groups, before, strict=True):
                group.value = value
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(on_set)


def _declare(node: Node, name: str, entry: Field[Any], defaults: Any) -> Any:
    default = getattr(defaults, entry.name)
    try:
        return _plain(node.declare_parameter(name, default, _descriptor(entry, default)).value, default)
    except ParameterException as error:
        text = " ".join(str(error).split())
        raise ConfigError(f"parameter '{name}': {text} {_limits(entry)}".rstrip()) from error


def _descriptor(entry: Field[Any], default: Any) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=entry.metadata["description"],
        additional_constraints=_limits(entry),
        read_only=entry.metadata["read_only"],
        # YAML reads a bare true as a bool, also where the choices are auto, true and false.
        dynamic_typing="true" in entry.metadata["choices"],
    )
    low, high = entry.metadata["low"], entry.metadata["high"]
    if low is not None and high is not None:
        if isinstance(default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
        else:
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    return descriptor


def _limits(entry: Field[Any]) -> str:
    rules = entry.metadata
    if rules["choices"]:
        return f"One of: {', '.join(rules['choices'])}."
    return "" if rules["low"] is None else f"From {rules['low']} to {rules['high']}."


def _plain(value: Any, default: Any) -> Any:
    if isinstance(default, list):
        return list(value)
    return str(value).lower() if isinstance(default, str) and isinstance(value, bool) else value
