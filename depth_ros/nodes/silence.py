"""Why is there no output? The causes, what is to be done about each, and who says so while there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from time import monotonic
from typing import Any, NamedTuple

from depth_ros.nodes.clocks import clock_causes
from depth_ros.nodes.evidence import CAMERA_INFO, CLOUD, LONGEST_PATIENCE_S, Cause, Drop, Evidence
from depth_ros.nodes.logs import Backoff
from depth_ros.nodes.publishers import is_missing, topic_cause

AFTER_S = 1.9
"""Silence of this length is looked into; asked once a second, that is within 3 s."""

CAUSES = {
    "not_configured": "configuring the node failed",
    "not_active": "the node is not active",
    "building": "the engine is still being built",
    "nobody_listens": "nobody subscribes to an output",
    "alone": "no other ROS node is seen",
    "no_publisher": "an input has no publisher",
    "wrong_type": "an input is published as another type",
    "qos_reliability": "a best-effort publisher, a reliable subscription",
    "qos_durability": "a volatile publisher, a transient-local subscription",
    "qos_incompatible": "a publisher's QoS is incompatible in another way",
    "input_over": "all inputs have stopped: a bag that is over or paused",
    "input_stopped": "one input has stopped",
    "large_best_effort": "large best-effort messages are lost by stock Fast DDS",
    "publisher_silent": "a publisher sends nothing",
    "no_camera_info": "images come, but no CameraInfo",
    "k_zero": "the CameraInfo has a K of zeros",
    "bad_camera_info": "the CameraInfo cannot be used",
    "camera_info_size": "the CameraInfo is of another image size",
    "encoding_unknown": "the image's encoding is unknown or no picture",
    "bad_image": "the image cannot be decoded",
    "cloud_without_xyz": "the cloud has no x, y, z",
    "cloud_empty": "the cloud has no finite point",
    "bad_points": "the cloud cannot be decoded",
    "stamp_zero": "a sensor's stamps are zero",
    "sim_against_wall": "one sensor has wall time, the other simulated or recorded time",
    "stamp_in_future": "a sensor's stamps are in the future",
    "clocks_differ": "the sensors' clocks differ",
    "stamps_apart": "image and scan are further apart than sync_slop",
    "no_clock": "use_sim_time is on, but nothing publishes /clock",
    "other_time": "the stamps are of another time than the node's clock",
    "no_transform": "no transform between LiDAR and camera",
    "no_transform_in_tf": "no transform between LiDAR and camera in TF at the image's time",
    "outside_image": "no point falls into the image: are the extrinsics right?",
    "too_sparse": "too few points fall into the image",
    "too_late": "the images are older than max_age",
    "superseded": "completion is slower than the camera",
    "not_subscribed": "an input cannot be subscribed to",
    "not_completed": "the completion refuses the frames",
    "internal": "an error in this package",
    "slow": "the first completion is not done yet",
    "unexplained": "everything arrives, and yet nothing comes out",
}
"""Every named cause, what blocks first first."""
RANK = {name: rank for rank, name in enumerate(CAUSES)}
DELIBERATE = frozenset({"not_active", "building", "nobody_listens"})
"""Silence that is no fault."""
QOS_CAUSES = frozenset({"qos_reliability", "qos_durability", "qos_incompatible", "large_best_effort"})
"""What keeps the messages of a publisher from a subscription."""


class Clue(NamedTuple):
    """Drops for `reason` whose text holds `word` mean `cause`; their own text says what, where and what to do."""

    reason: str
    word: str
    cause: str


CLUES = (
    Clue("bad_camera_info", "K of zeros", "k_zero"),
    Clue("bad_camera_info", "", "bad_camera_info"),
    Clue("bad_image", "its CameraInfo", "camera_info_size"),
    Clue("bad_image", "encoding", "encoding_unknown"),
    Clue("bad_image", "", "bad_image"),
    Clue("bad_points", "has no field", "cloud_without_xyz"),
    Clue("bad_points", "no finite point", "cloud_empty"),
    Clue("bad_points", "", "bad_points"),
    Clue("no_transform", " in TF ", "no_transform_in_tf"),
    Clue("no_transform", "", "no_transform"),
    Clue("too_sparse", "leaves 0 points", "outside_image"),
    Clue("too_sparse", "", "too_sparse"),
    Clue("too_late", "", "too_late"),
    Clue("not_subscribed", "", "not_subscribed"),
    Clue("not_completed", "no focal length is known", "k_zero"),
    Clue("not_completed", "", "not_completed"),
    Clue("internal_", "", "internal"),
)
"""The first one that fits counts."""
NEED_CLOCK = frozenset({"no_transform_in_tf", "too_late"})
SUPERSEDED = frozenset({"superseded", "queue_full"})
SLOW_SENSOR_S = 1.0
"""A sensor with longer intervals may just be waited for."""


def diagnose(evidence: Evidence) -> list[Cause]:
    """Return the causes of a silence, what blocks first first; drops and pairs of `evidence` are those of the silence.

    Empty while a sensor may just be waited for; what nothing explains is `unexplained`.
    """
    found = list(_above(evidence))
    if not found:
        unheard, refused = list(_inputs(evidence)), list(_drops(evidence))
        needs_clock = any(cause.name in NEED_CLOCK for cause in refused)
        told_by_stamps = [] if unheard else list(clock_causes(evidence, needs_clock=needs_clock))
        found = unheard + refused + told_by_stamps or list(_remaining(evidence))
    return sorted(found, key=lambda cause: RANK[cause.name])


class SilenceWatch:
    """Logs each cause of a silence once per episode, unless a line about what was dropped has told it.

    As a warning, or info where it is no fault: the node itself is at work; /diagnostics has the level of the output.
    An output ends the episode; a new one also starts when the node's state changes, somebody begins to listen, or on
    `restart`.
    Inputs that come (back) are given time. What comes again in ever new episodes is told more and more seldom
    (`Backoff`). what: how each line begins. only: the causes to tell; None: all of them.
    """

    def __init__(
        self,
        logger: Any,
        clock: Callable[[], float] = monotonic,
        *,
        what: str = "no output",
        after_s: float = AFTER_S,
        only: frozenset[str] | None = None,
    ) -> None:
        self._logger, self._clock, self._what, self._after_s, self._only = logger, clock, what, after_s, only
        self._phase: object = None
        self._since, self._flows = 0.0, False
        self._before = Evidence()
        self._lines: dict[str, int] = {}
        self._told: set[tuple[str, str]] = set()
        self._backoff = Backoff()

    def restart(self) -> None:
        """Begin a new episode: nothing of before counts."""
        self._phase = None

    def look(self, evidence: Evidence) -> list[Cause]:
        """Take what is known now; call it once a second. Returns the causes that hold, whether told before or not."""
        phase = (evidence.outputs, evidence.state, evidence.building, bool(evidence.listeners), bool(evidence.topics))
        now = self._clock()
        flowed, self._flows = self._flows, not any(is_missing(topic) for topic in evidence.topics)
        if phase != self._phase:
            # That the last listener has left is said when its camera is unsubscribed.
            has_left = bool(self._before.listeners) and self._before.state == "active"
            self._told = {("nobody_listens", "")} if has_left else set()
            # A line of the last second was said in this silence.
            drops = {reason: replace(drop, lines=self._lines.get(reason, 0)) for reason, drop in evidence.drops.items()}
            self._phase, self._since, self._before = phase, now, replace(evidence, drops=drops)
        elif self._flows and not flowed:
            # Nothing can have come out yet, and what found no partner meanwhile tells nothing of the clocks.
            known = {reason: drop for reason, drop in self._before.drops.items() if _is_clue(reason)}
            alone = {reason: drop for reason, drop in evidence.drops.items() if not _is_clue(reason)}
            self._since, self._before = now, replace(evidence, drops=known | alone)
        self._lines = {reason: drop.lines for reason, drop in evidence.drops.items()}
        slowest_s = max((topic.interval_s for topic in evidence.topics if topic.type_name != CAMERA_INFO), default=0.0)
        if now - self._since < max(self._after_s, min(2 * slowest_s, LONGEST_PATIENCE_S)):
            return []
        causes = diagnose(_since(self._before, evidence))
        causes = [cause for cause in causes if self._only is None or cause.name in self._only]
        for cause in causes:
            kind = cause.name, cause.topic
            if not cause.said and kind not in self._told and self._backoff.passes(kind, now):
                self._told.add(kind)
                self._tell(cause)
        return causes

    def _tell(self, cause: Cause) -> None:
        # Two lines of code on purpose: rclpy refuses one call that logs at two levels.
        if cause.name in DELIBERATE:
            self._logger.info(f"{self._what} ({cause.name}): {cause.text}")
        else:
            self._logger.warning(f"{self._what} ({cause.name}): {cause.text}")


def _above(evidence: Evidence) -> Iterator[Cause]:
    """Yield what keeps the node from reading its inputs at all."""
    if evidence.building:
        yield Cause("building", f"{evidence.building} is being built: wait for it")
    elif evidence.refused:
        yield Cause("not_configured", f"cannot configure: {evidence.refused}", said=True)  # when it failed
    elif evidence.state != "active":
        remedy = "activate" if evidence.state == "inactive" else "configure, then activate"
        text = f"the node is {evidence.state}: `ros2 lifecycle set` it ({remedy}), or set autostart: true"
        yield Cause("not_active", text)
    elif evidence.listeners == 0:
        text = "nobody listens to a depth topic, so nothing is computed: subscribe to one (RViz, ros2 topic hz)"
        yield Cause("nobody_listens", text)


def _inputs(evidence: Evidence) -> Iterator[Cause]:
    """Yield why nothing arrives, per input; one cause when all that had been running stopped together."""
    if evidence.other_nodes == 0:
        yield Cause("alone", "no other ROS node is seen: compare ROS_DOMAIN_ID, ROS_AUTOMATIC_DISCOVERY_RANGE, network")
        return
    found = [cause for topic in evidence.topics if (cause := topic_cause(topic, evidence)) is not None]
    stopped = [cause for cause in found if cause.name == "input_stopped"]
    sensors = [topic for topic in evidence.topics if topic.type_name != CAMERA_INFO]
    if len(stopped) < len(sensors) or not stopped:
        yield from found
        return
    names, age_s = " and ".join(topic.name for topic in sensors), min(topic.age_s or 0 for topic in sensors)
    text = f"nothing on {names} for {age_s:.1f} s: the bag is over or paused, or the drivers have stopped"
    yield Cause("input_over", text)
    # What never came is missed again when the others go on.
    yield from (cause for cause in found if cause.name != "input_stopped")


def _drops(evidence: Evidence) -> Iterator[Cause]:
    """Yield what the drops tell, each cause once."""
    told = set()
    for reason, drop in evidence.drops.items():
        clue = next((clue for clue in CLUES if reason.startswith(clue.reason) and clue.word in drop.text), None)
        if clue is not None and clue.cause not in told:
            told.add(clue.cause)
            lines = drop.text.splitlines() or [reason]
            # Of a traceback the last line says what it was.
            text = lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1].strip()}"
            yield Cause(clue.cause, text, said=drop.lines > 0)
    slower = sum(drop.times for reason, drop in evidence.drops.items() if reason in SUPERSEDED)
    # Before the first depth map that tells nothing: it takes longer than any other.
    if slower and evidence.outputs:
        text = f"completion is slower than the camera, {slower} images were left out meanwhile: {_lighter(evidence)}"
        yield Cause("superseded", text)


def _lighter(evidence: Evidence) -> str:
    classical = " (model: classical)" if any(topic.type_name == CLOUD for topic in evidence.topics) else ""
    return f"take a lighter model{classical}, smaller images, or a faster engine (depth_ros doctor)"


def _is_clue(reason: str) -> bool:
    return any(reason.startswith(clue.reason) for clue in CLUES)


def _remaining(evidence: Evidence) -> Iterator[Cause]:
    """Yield what is left when inputs, drops and clocks explain nothing."""
    if evidence.paired:
        yield Cause("slow", f"the first image is still being completed: wait, or {_lighter(evidence)}")
    elif evidence.topics and all(topic.received and topic.interval_s < SLOW_SENSOR_S for topic in evidence.topics):
        told = "; ".join(f"{reason}: {drop.text}" for reason, drop in evidence.drops.items()) or "nothing was dropped"
        yield Cause("unexplained", f"every input arrives, and nothing comes of it ({told}): please report this line")


def _since(before: Evidence, now: Evidence) -> Evidence:
    """Return what is known now, with the drops and pairs of the time since `before` alone."""
    none = Drop(0, "")
    new = {reason: drop.times - before.drops.get(reason, none).times for reason, drop in now.drops.items()}
    drops = {
        reason: Drop(times, now.drops[reason].text, now.drops[reason].lines - before.drops.get(reason, none).lines)
        for reason, times in new.items()
        if times > 0
    }
    return replace(now, drops=drops, paired=max(0, now.paired - before.paired))
