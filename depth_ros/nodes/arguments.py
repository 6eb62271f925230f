"""What ROS refuses of a command line, in one line: what, where, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

SOURCE_PLACES = re.compile(r", at /[^,\s]+")
FILE = re.compile(r"Couldn't parse params file: '--params-file (?P<path>.*)'\. Error: (?P<reason>.*)")
RULE = re.compile(r"Couldn't parse (?P<kind>parameter override|remap) rule: '(?P<rule>.*)'\. Error: ")
RULES = {"parameter override": "-p name:=value", "remap": "-r from:=to"}
FORM = "begin with /**: and ros__parameters: as config/completion.yaml does"
REMEDIES = {"Sequence should be of same type": "write all numbers of a list alike: [0.0, 1.0], not [0, 1.0]"}
"""By a part of what the parser says."""


def refusal(error: Exception) -> str:
    """Return what rclpy says of the arguments that it refuses, without the places in the source of its C side."""
    text = SOURCE_PLACES.sub("", str(error).strip().splitlines()[0])
    if file := FILE.search(text):
        return _of_file(file["path"], file["reason"])
    if rule := RULE.search(text):
        return f"'{rule['rule']}' is refused: write {RULES[rule['kind']]}"
    return text


def _of_file(path: str, reason: str) -> str:
    begin = f"the parameter file '{path}'"
    try:
        yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        return f"{begin} cannot be read ({error.strerror}): correct the path"
    except yaml.MarkedYAMLError as error:
        line = 0 if error.problem_mark is None else error.problem_mark.line + 1
        return f"{begin} is no YAML in line {line} ({error.problem}): correct it"
    except (yaml.YAMLError, ValueError):
        return f"{begin} is no YAML: correct it"
    remedy = next((remedy for part, remedy in REMEDIES.items() if part in reason), FORM)
    return f"{begin} is refused ({reason}): {remedy}"
