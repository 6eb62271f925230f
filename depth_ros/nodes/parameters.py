"""Settings dataclasses as a node's parameters: declared from them, read back into them, kept equal to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields
from difflib import get_close_matches
from traceback import format_exc
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.parameter import Parameter

from depth_ros.config import from_mapping
from depth_ros.errors import ConfigError, DepthRosError

T_co = TypeVar("T_co", covariant=True)

# What every node of ROS takes, whether its distribution knows it or not.
STANDARD = ("use_sim_time", "start_type_description_service")
STANDARD_PREFIXES = ("qos_overrides.",)
WORDS = {bool: "a bool", int: "an integer", float: "a double", str: "a string"}
"""What parameters are, as ROS calls it."""


class TypedNode(LifecycleNode):  # type: ignore[misc]
    """A node that takes an integer for a double when a parameter is set, and refuses other types in words.

    Declared types stay as they are, so that `ros2 param describe` tells them. (rclpy's own way, dynamic typing, forgets
    the type, and lets no callback change the value.)
    """

    def set_parameters(self, parameter_list: Sequence[Parameter]) -> list[SetParametersResult]:
        """Set each by itself, as rclpy does."""
        return [self.set_parameters_atomically([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(self, parameter_list: Sequence[Parameter]) -> SetParametersResult:
        """Set all or none; the services of the parameters come here too."""
        try:
            typed = [self._typed(parameter) for parameter in parameter_list]
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return super().set_parameters_atomically(typed)

    def _typed(self, parameter: Parameter) -> Parameter:
        name, value = parameter.name, parameter.value
        if value is None or not self.has_parameter(name) or self.describe_parameter(name).dynamic_typing:
            return parameter
        return Parameter(name, value=as_type_of(self.get_parameter(name).value, name, value))


def as_type_of(declared: Any, name: str, value: Any) -> Any:
    """Return `value` in the type of `declared`, an integer for a double and lists too; another is a ConfigError."""
    if hasattr(declared, "__len__") and not isinstance(declared, str):
        if value is None or (_word(value) == "a list" and not len(value)):
            raise ConfigError(f"{name} is an empty list: give at least one value")
        if _word(value) != "a list":
            raise ConfigError(f"{name} is {value!r}, {_word(value)}: give a list, as in [{value}]")
        return [as_type_of(declared[0], name, part) for part in value]
    if type(declared) is float and type(value) is int:
        return float(value)
    if type(value) is not type(declared):
        raise ConfigError(f"{name} is {value!r}, {_word(value)}: give {_word(declared)}")
    return value


class ParameterGroup(Generic[T_co]):
    """One settings object, held as parameters `<prefix><field>` of a node.

    value: the settings as they stand; fields: the settings' fields by the parameter's name.
    Raises ConfigError, in one line, when an override has a wrong type or range.
    """

    def __init__(self, node: Node, default: T_co, prefix: str = "") -> None:
        self.prefix, self.default = prefix, default
        self.fields: dict[str, Field[Any]] = {prefix + entry.name: entry for entry in fields(default)}  # type: ignore[arg-type]
        # Humble to Kilted keep the overrides of files and command line here, and offer no public way to them.
        overrides: Mapping[str, Any] = node._parameter_overrides
        given = {
            entry.name: _plain(name, overrides[name].value, entry, getattr(default, entry.name))
            for name, entry in self.fields.items()
            if name in overrides
        }
        self.value: T_co = from_mapping(type(default), given)
        for name, entry in self.fields.items():
            value = getattr(self.value, entry.name)
            node.declare_parameter(name, value, _descriptor(entry, value), ignore_override=True)

    def proposed(self, parameters: Sequence[Parameter]) -> T_co:
        """Return the settings with `parameters` set; the very same object when that changes nothing here."""
        changes = {p.name: p.value for p in parameters if p.name in self.fields}
        if not changes:
            return self.value
        values = {entry.name: getattr(self.value, entry.name) for entry in self.fields.values()}
        for name, value in changes.items():
            entry = self.fields[name]
            values[entry.name] = _plain(name, value, entry, values[entry.name])
        after = from_mapping(type(self.value), values)
        return self.value if after == self.value else after


Apply = Callable[[Sequence[ParameterGroup[Any]]], None]


def refuse_unknown(node: Node) -> None:
    """Raise ConfigError, naming each, when a parameter file or `-p` sets what the node has not declared.

    Call it once everything is declared: what is misspelt would otherwise be ignored in silence.
    """
    overrides: Mapping[str, Any] = node._parameter_overrides
    unknown = [
        name
        for name in overrides
        if not node.has_parameter(name) and name not in STANDARD and not name.startswith(STANDARD_PREFIXES)
    ]
    if unknown:
        known = list(node.get_parameters_by_prefix(""))
        raise ConfigError(
            f"unknown parameter {', '.join(_with_nearest(name, known) for name in unknown)}: correct it; what is meant "
            "for another node stands under that node's name in a parameter file, not under /**"
        )


def unused_overrides(node: Node) -> list[str]:
    """Return the parameters qos_overrides.* that were given and that no topic so far has taken."""
    overrides: Mapping[str, Any] = node._parameter_overrides
    return [name for name in overrides if name.startswith(STANDARD_PREFIXES) and not node.has_parameter(name)]


def watch(node: Node, groups: Sequence[ParameterGroup[Any]], apply: Apply) -> None:
    """Keep `groups` equal to the node's parameters: a change takes effect, or is refused with its reason.

    `apply` is called with the groups that changed, their new values in place; a DepthRosError from it refuses the
    change: the old values return, and `apply` is called once more to bring them into force.
    """

    # Not a post-set callback, which Humble lacks and which cannot refuse. rclpy asks this one after its own checks of
    # types, ranges and read_only, so that nothing but `apply` itself can still refuse what it is told.
    def on_set(parameters: Sequence[Parameter]) -> SetParametersResult:
        before = [group.value for group in groups]
        try:
            after = [group.proposed(parameters) for group in groups]
        except DepthRosError as error:
            return SetParametersResult(successful=False, reason=str(error))
        changed = [group for group, old, new in zip(groups, before, after, strict=True) if new is not old]
        reason = _applied(node, apply, changed, dict(zip(groups, after, strict=True)))
        if reason:
            _applied(node, apply, changed, dict(zip(groups, before, strict=True)))
        return SetParametersResult(successful=not reason, reason=reason)

    node.add_on_set_parameters_callback(on_set)


def _applied(
    node: Node, apply: Apply, changed: Sequence[ParameterGroup[Any]], values: Mapping[ParameterGroup[Any], Any]
) -> str:
    """Put `values` in place and apply them; return why that was refused, or ''."""
    for group in changed:
        group.value = values[group]
    if not changed:
        return ""
    try:
        apply(changed)
    except DepthRosError as error:
        return str(error)
    except Exception as error:  # what leaves a service's callback ends the executor, and the node with it
        node.get_logger().error(f"a parameter could not be set, please report:\n{format_exc()}")
        return f"unexpected error, please report: {error!r}"
    return ""


def _with_nearest(name: str, known: Sequence[str]) -> str:
    nearest = get_close_matches(name, known, n=1)
    return f"'{name}' (meant: '{nearest[0]}'?)" if nearest else f"'{name}'"


def _descriptor(entry: Field[Any], default: Any) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=entry.metadata["description"],
        additional_constraints=_limits(entry),
        read_only=entry.metadata["read_only"],
        # A bare true of YAML is a bool.
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


def _plain(name: str, value: Any, entry: Field[Any], default: Any) -> Any:
    # YAML reads a bare true as a bool, also where the choices are auto, true and false.
    if isinstance(value, bool) and "true" in entry.metadata["choices"]:
        return str(value).lower()
    return as_type_of(default, name, value)


def _word(value: Any) -> str:
    return WORDS.get(type(value), "a list")
