"""What the doctor finds, line by line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MARKS = {"ok": " ok ", "missing": "LACK", "note": "note"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for: where it belongs, its state (ok, missing, note), detail and remedy."""

    topic: str
    name: str
    state: str
    detail: str
    remedy: str = ""


def show(findings: Iterable[Finding]) -> None:
    """Print findings, each with its remedy below it."""
    for finding in findings:
        print(f"[{MARKS[finding.state]}] {finding.topic:9s} {finding.name:22s} {finding.detail}")
        if finding.remedy:
            print(f"{'':40s}-> {finding.remedy}")
