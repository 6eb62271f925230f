"""The three stages of every pair, each in a thread of its own: prepare, finish, send."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from time import monotonic_ns
from typing import NamedTuple, Protocol

from rclpy.node import Node

from depth_ros.errors import SparseScanError
from depth_ros.frame import DepthMap, Frame
from depth_ros.nodes.channel import Work
from depth_ros.nodes.clocks import NEAR_S, other_time
from depth_ros.nodes.drops import drops_counted
from depth_ros.nodes.extrinsics import Extrinsics
from depth_ros.nodes.frames import Report, make_frame
from depth_ros.nodes.inputs import InputPair, Scans
from depth_ros.nodes.poses import Poses
from depth_ros.nodes.running import Running
from depth_ros.nodes.settings import Settings
from depth_ros.nodes.stages import Stages
from depth_ros.pipelines.base import BUILD, Finish, Stopwatch
from depth_ros.pipelines.guard import outdated
from depth_ros.pipelines.modelled import Outcome, go_together

# `ros2 launch` sends its second signal after 5 s.
CLOSE_PATIENCE_S = 4.0


class Prepared(NamedTuple):
    """A pair, and what completes it."""

    work: Work
    finish: Finish


class Completed(NamedTuple):
    """A pair, and its depth map."""

    work: Work
    depth_map: DepthMap


class Frames(Protocol):
    """What makes frames of pairs."""

    def frame(self, pair: InputPair, watch: Stopwatch, report: Report) -> Frame:
        """Return the frame of a pair; raises a DepthRosError when there can be none."""

    def close(self) -> None:
        """Free what is open."""


class Place(NamedTuple):
    """How the LiDARs sit to the cameras, and how they move."""

    extrinsics: Extrinsics
    poses: Poses | None

    def frame(self, pair: InputPair, watch: Stopwatch, report: Report) -> Frame:
        """Return the frame of a pair; see `make_frame`."""
        return make_frame(pair, self.extrinsics, self.poses, watch, report)

    def close(self) -> None:
        """Stop listening for transforms and poses."""
        if self.poses is not None:
            self.poses.close()
        self.extrinsics.close()


class Completer:
    """Completes pairs of all cameras, and publishes the depth maps.

    A camera's pair is superseded by newer ones of the same camera only, and the cameras take turns. Pairs that are
    prepared and wait when the model becomes free are inferred at once where that pays. What is wrong with a pair is a
    counted drop of its camera.
    """

    def __init__(self, node: Node, settings: Settings, pipeline: Running, place: Frames) -> None:
        self._node, self._settings, self._pipeline, self._place = node, settings, pipeline, place
        self._usable: dict[str, Scans] = {}
        """By camera, the last scans that had points enough; none unless the settings ask for them."""
        self._left_out = 0
        """Pairs that were dropped while the engine was built."""
        self._stages: Stages[Work, Prepared, Completed] = Stages(
            self._prepare,
            self._finish,
            self._send,
            self._superseded,
            settings.queue_size,
            _camera,
            lambda: pipeline.at_once(len(settings.sensors.value.cameras)),
            self._together,
        )
        self.submit = self._stages.submit

    def configure(self) -> None:
        """Let changed settings take effect."""
        self._stages.resize(self._settings.queue_size)

    def close(self) -> bool:
        """Forget what waits and end the threads; False when a depth map takes longer than `CLOSE_PATIENCE_S`."""
        return self._stages.close(CLOSE_PATIENCE_S)

    def _prepare(self, work: Work) -> Prepared | None:
        with drops_counted(work.channel.statistics, "not_completed"):
            if work.channel.outputs.listeners() == 0:
                work.channel.statistics.drop("no_subscribers", "nobody listens to the depth topics")
            elif self._is_in_time(work):
                return self._prepared(work)
        return None

    def _prepared(self, work: Work) -> Prepared:
        older = self._last_usable(work)
        try:
            finish = self._first_half(work)
        except SparseScanError:
            if not older and not self._settings.image_alone:
                raise
            work = work._replace(pair=replace(work.pair, scans=older, outdated=bool(older)))
            finish = self._first_half(work)
        if self._settings.last_scan_for and not work.pair.outdated:
            self._usable[work.channel.name] = work.pair.scans
        return Prepared(work, finish)

    def _first_half(self, work: Work) -> Finish:
        watch = Stopwatch()
        frame = self._place.frame(work.pair, watch, work.channel.statistics.drop)
        work.timings.update(watch.seconds)
        return self._pipeline.prepare(frame)

    def _last_usable(self, work: Work) -> Scans:
        """Return the last scans that had points enough, and forget them once they are too old or of another time."""
        settings, time_ns = self._settings, work.pair.image_time_ns
        oldest_ns, newest_ns = round(settings.last_scan_for * 1e9), round(settings.pairing_config.sync_slop * 1e9)
        kept = tuple(
            scan
            for scan in self._usable.pop(work.channel.name, ())
            if time_ns - oldest_ns <= scan.time_ns <= time_ns + newest_ns
        )
        if kept:
            self._usable[work.channel.name] = kept
        return kept

    def _together(self, prepared: list[Prepared]) -> list[Prepared]:
        """Return which of the pairs that wait, one of a camera, are finished at once."""
        first = prepared[0]
        alike = [first, *(other for other in prepared[1:] if go_together(first.finish, other.finish))]
        return alike[: self._pipeline.at_once(len(alike))]

    def _finish(self, prepared: list[Prepared]) -> Iterator[Completed]:
        due: list[Prepared] = []
        for one in prepared:
            with drops_counted(one.work.channel.statistics, "not_completed"):
                due += [one] * self._is_in_time(one.work)
        with drops_counted(prepared[0].work.channel.statistics, "not_completed"):
            outcomes = self._pipeline.finish_all([one.finish for one in due])
            for outcome, (work, _) in zip(outcomes, due):  # noqa: B905 (in this order, so that the outcomes end)
                with drops_counted(work.channel.statistics, "not_completed"):
                    yield self._completed(work, outcome)

    def _completed(self, work: Work, outcome: Outcome) -> Completed:
        if isinstance(outcome, Exception):
            raise outcome
        if BUILD in outcome.timings:
            self._tell_of_build(outcome)
        return Completed(work, outdated(outcome) if work.pair.outdated else outcome)

    def _send(self, completed: Completed) -> None:
        (channel, pair, timings), depth_map = completed
        watch = Stopwatch()
        with drops_counted(channel.statistics, "not_completed"):
            channel.outputs.publish(depth_map, watch)
            age_s = self._age_s(pair)
            latency_s = (monotonic_ns() - pair.image.arrived_ns) / 1e9
            channel.statistics.degradation = _degradation(pair, self._settings.lidars)
            channel.statistics.note_camera(depth_map.camera)
            channel.statistics.publish(
                age_s, latency_s, {**timings, **depth_map.timings, **watch.seconds}, depth_map.residual
            )
            channel.statistics.look(depth_map, self._settings.guard_config)
            if channel.statistics.depth_maps == 1:
                self._node.get_logger().info("the first depth map is published; /diagnostics tells rate, age and drops")

    def _age_s(self, pair: InputPair) -> float:
        now_ns: int = self._node.get_clock().now().nanoseconds
        return (now_ns - pair.image_stamp_ns) / 1e9

    def _is_in_time(self, work: Work) -> bool:
        limit_s, age_s = self._settings.pairing_config.max_age, self._age_s(work.pair)
        if 0 < limit_s < age_s:
            text = f"the image is {age_s:.2f} s old, and max_age is {limit_s:g} s: raise it, or lighten the load"
            if age_s > NEAR_S:
                text = f"max_age is {limit_s:g} s, and the image is {other_time(-age_s)}"
            work.channel.statistics.drop("too_late", text)
            return False
        return True

    def _tell_of_build(self, depth_map: DepthMap) -> None:
        left_out, self._left_out = self._left_out, 0
        height, width = depth_map.depth.shape
        how = f"{left_out} images came meanwhile and were dropped (building)" if left_out else "no image was lost"
        self._node.get_logger().info(
            f"the engine for {width}x{height} was built in {depth_map.timings[BUILD]:.1f} s: {how}"
        )

    def _superseded(self, item: Work | Prepared | Completed) -> None:
        statistics = (item if isinstance(item, Work) else item.work).channel.statistics
        is_latest = self._settings.pairing_config.queue_policy == "latest"
        if building := self._pipeline.building:
            self._left_out += 1
            why = "queue_policy is latest: with all, queue_size images wait" if is_latest else "raise queue_size"
            statistics.drop("building", f"{building} is being built, and images come meanwhile: {why}")
        elif is_latest:
            statistics.drop("superseded", "a newer image came before this one could be completed")
        else:
            statistics.drop("queue_full", "completion is slower than the camera: queue_size images wait")


def _camera(item: Work | Prepared | Completed) -> str:
    return (item if isinstance(item, Work) else item.work).channel.name


def _degradation(pair: InputPair, lidars: Sequence[str]) -> str:
    if lidars and not pair.scans:
        return "no usable scan: the depth is the model's alone (monocular)"
    if not pair.outdated:
        return ""
    age_s = (pair.image_time_ns - pair.scans[0].time_ns) / 1e9
    return f"completed from a scan {age_s:.1f} s older than the image"
