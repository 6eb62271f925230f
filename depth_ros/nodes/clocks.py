"""Why image and scan do not meet in time: what their stamps tell about the clocks behind them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from depth_ros.nodes.evidence import CAMERA_INFO, CLOUD, Cause, Clocks, Evidence, Topic

NS = 1_000_000_000
NEAR_S = 60.0
"""A stamp this near to a clock may be of that clock."""
FUTURE_S = 0.5
HOUR_S = 3600.0
LONG_S = 48 * HOUR_S
CLOCKS_S = 1.0
"""Sensors of one clock are never further apart than this."""
LEAST_WALL_S = 1e8
"""Three years after 1970: what is earlier counts from a start of its own."""


def other_time(ahead_s: float) -> str:
    """Say that stamps are so many seconds ahead of the node's clock (negative: behind), more than `NEAR_S`."""
    where = "after" if ahead_s > 0 else "before"
    return (
        f"stamped {span(abs(ahead_s))} {where} this node's clock: play a bag with --clock and set use_sim_time:=true; "
        "for live sensors, synchronise the clocks (chrony, PTP)"
    )


def clock_causes(evidence: Evidence, *, needs_clock: bool) -> Iterator[Cause]:
    """Yield what is wrong with the time of the inputs.

    needs_clock: something failed that depends on the node's clock (TF, max_age).
    """
    stamped = [topic for topic in evidence.topics if topic.type_name != CAMERA_INFO and topic.stamp_ns is not None]
    zero = [topic for topic in stamped if topic.stamp_ns == 0]
    if zero:
        yield from (_zero(topic) for topic in zero)
    elif evidence.clocks is not None and not evidence.paired:
        yield from _apart(evidence, stamped, evidence.clocks)
    if needs_clock and evidence.clocks is not None and stamped:
        yield from _node_clock(stamped[0], evidence.clocks)


def _zero(topic: Topic) -> Cause:
    text = f"the stamps of {topic.name} are zero, so that nothing can be made of it: let its driver fill header.stamp"
    return Cause("stamp_zero", text, topic.name)


def _apart(evidence: Evidence, stamped: list[Topic], clocks: Clocks) -> Iterator[Cause]:
    image = next((topic for topic in stamped if topic.type_name != CLOUD), None)
    scan = next((topic for topic in stamped if topic.type_name == CLOUD), None)
    if image is None or scan is None:
        return
    gap_s = _gap_s(evidence, image, scan)
    if gap_s <= evidence.slop_s:
        return
    live = [topic for topic in (image, scan) if abs(_ahead_s(topic, clocks.wall_ns)) < NEAR_S]
    if gap_s > NEAR_S and len(live) == 1:
        other = scan if live[0] is image else image
        text = (
            f"{live[0].name} is stamped with wall time, {other.name} with another ({_date(other)}): let both have one "
            f"clock (use_sim_time for what publishes {live[0].name}, or both from the bag)"
        )
        yield Cause("sim_against_wall", text, live[0].name)
        return
    now_ns = clocks.now_ns or clocks.wall_ns
    ahead = [topic for topic in (image, scan) if FUTURE_S < _ahead_s(topic, now_ns) < HOUR_S]
    for topic in ahead:
        text = (
            f"the stamps of {topic.name} are {span(_ahead_s(topic, now_ns))} in the future of this node's clock: "
            "synchronise the computer or sensor behind it (chrony, PTP)"
        )
        yield Cause("stamp_in_future", text, topic.name)
    if not ahead:
        yield _constant(f"{image.name} and {scan.name} are {span(gap_s)} apart", gap_s, evidence.slop_s)


def _constant(what: str, gap_s: float, slop_s: float) -> Cause:
    if gap_s > CLOCKS_S:
        text = f"{what}: their clocks differ; synchronise them (chrony, PTP), or set points_offset for a constant shift"
        return Cause("clocks_differ", text)
    text = (
        f"{what}, and sync_slop is {slop_s * 1e3:.0f} ms: raise sync_slop, trigger the sensors together, or set "
        "points_offset for a constant shift"
    )
    return Cause("stamps_apart", text)


def _node_clock(topic: Topic, clocks: Clocks) -> Iterator[Cause]:
    if clocks.simulated and clocks.now_ns == 0:
        text = "use_sim_time is on, but nothing publishes /clock: play the bag with --clock, or turn use_sim_time off"
        yield Cause("no_clock", text)
    elif abs(_ahead_s(topic, clocks.now_ns)) > HOUR_S:
        remedy = (
            "turn use_sim_time off, or play /clock and sensors from one source"
            if clocks.simulated
            else "play the bag with --clock and set use_sim_time:=true"
        )
        text = f"{topic.name} is stamped {_date(topic)}, this node's clock says {_text(clocks.now_ns)}: {remedy}"
        yield Cause("other_time", text)


def _gap_s(evidence: Evidence, image: Topic, scan: Topic) -> float:
    """Return how far the sensors are apart: as the pairing found, or, while it waits still, by their newest stamps."""
    assert image.stamp_ns is not None and scan.stamp_ns is not None  # noqa: PT018
    if evidence.gap_ns is not None and any(reason.endswith("_too_far") for reason in evidence.drops):
        return evidence.gap_ns / NS
    # As of now: the last scan of a slow LiDAR is older than the last image, and yet of the same clock.
    newest_s = abs((image.stamp_ns - scan.stamp_ns) / NS + (image.age_s or 0.0) - (scan.age_s or 0.0))
    return newest_s if newest_s > CLOCKS_S else 0.0


def _ahead_s(topic: Topic, clock_ns: int) -> float:
    assert topic.stamp_ns is not None
    return (topic.stamp_ns - clock_ns) / NS


def span(seconds: float) -> str:
    """Return a duration in words."""
    if seconds < CLOCKS_S:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < HOUR_S:
        return f"{seconds:.1f} s"
    return f"{seconds / HOUR_S:.0f} h" if seconds < LONG_S else f"{seconds / HOUR_S / 24:.0f} days"


def _date(topic: Topic) -> str:
    assert topic.stamp_ns is not None
    return _text(topic.stamp_ns)


def _text(stamp_ns: int) -> str:
    seconds = stamp_ns / NS
    if abs(seconds) < LEAST_WALL_S:
        return f"{seconds:.1f} s, as a simulation counts"
    try:
        return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f} s"
