"""What every node of depth is: a lifecycle around one pipeline, from the topics of cameras to those of depth."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from traceback import format_exc
from typing import Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.node import Node

from depth_ros.errors import BuildCancelledError, DepthRosError
from depth_ros.nodes.channel import Channel
from depth_ros.nodes.completer import CLOSE_PATIENCE_S, Completer, Frames
from depth_ros.nodes.counts import Statistics
from depth_ros.nodes.diagnostics import DiagnosticPublisher
from depth_ros.nodes.drops import drops_counted
from depth_ros.nodes.evidence import Evidence
from depth_ros.nodes.graph import clocks, large_lost, other_nodes
from depth_ros.nodes.inputs import topic_of
from depth_ros.nodes.logs import RosLogHandler
from depth_ros.nodes.parameters import ParameterGroup, TypedNode, unused_overrides, watch
from depth_ros.nodes.qos import steady_timer
from depth_ros.nodes.running import Running
from depth_ros.nodes.sensors import Sensors
from depth_ros.nodes.settings import Settings
from depth_ros.nodes.silence import SilenceWatch
from depth_ros.pipelines.base import warm_up

DEMAND_PERIOD_S = 0.1
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class DepthNode(TypedNode):
    """Lifecycle node around one pipeline, for one camera or several.

    Decoding and pairing run on the executor; the two halves of the completion, and encoding with publishing, run in a
    thread each, so that neither inference nor a large cloud holds up the next frame. Raises ConfigError at construction
    when a parameter is out of range or unknown; the text names it.
    """

    def __init__(self, name: str, settings: Callable[[Node], Settings], **options: Any) -> None:
        super().__init__(name, **options)
        self._pipeline: Running | None = None
        self._place: Frames | None = None
        self._sensors: Sensors | None = None
        self._refused = ""
        self._is_stopping: Callable[[], bool] = lambda: False
        self._completer: Completer | None = None
        self._log_handler = RosLogHandler(self.get_logger())
        self._settings = settings(self)
        watch(self, self._settings.groups, self._apply)
        needed = ("images", "scans") if self._settings.lidars else ("images",)
        cameras = self._settings.sensors.value.cameras
        self._statistics = {name: Statistics(self._logger_of(name), needed) for name in cameras}
        for name, statistics in self._statistics.items():
            statistics.topics = self._input_topics(name)
        self._silence = {name: SilenceWatch(self._logger_of(name)) for name in self._statistics}
        self._diagnostics = DiagnosticPublisher(self, self._statistics, lambda: self._settings.guard_config)
        steady_timer(self, 1.0, self._report)

    @abstractmethod
    def make_pipeline(self) -> Running:
        """Build what the settings ask for; raises a DepthRosError when that cannot be had."""

    @abstractmethod
    def make_frames(self) -> Frames:
        """Open what makes frames of pairs; raises a DepthRosError when that cannot be had."""

    def start(self, is_stopping: Callable[[], bool] | None = None) -> None:
        """Configure and activate, unless the parameter `autostart` leaves that to a lifecycle manager.

        is_stopping: whether the process is to end, so that an engine that is being built in a transition is given up.
        """
        if is_stopping is not None:
            self._is_stopping = is_stopping
        if self._settings.lifecycle.value.autostart and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build the pipeline and the publishers; FAILURE, with the reason logged, when that cannot be done."""
        try:
            self._build()
        except BuildCancelledError as error:  # the process is to end: nothing is wrong
            self.get_logger().info(f"not configured: {error}")
            self._release()
            return FAILURE
        except DepthRosError as error:
            self._refused = f"{error}; correct it, then configure again or restart"
        except Exception:  # rclpy swallows what a transition raises
            self._refused = f"please report:\n{format_exc()}"
        else:
            self._refused = ""
            return super().on_configure(state)
        self.get_logger().error(f"cannot configure: {self._refused}")
        self._release()
        return FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the threads of the completion, and subscribe while somebody listens."""
        assert self._pipeline is not None and self._place is not None  # noqa: PT018
        result = super().on_activate(state)
        self._completer = Completer(self, self._settings, self._pipeline, self._place)
        self._demand = steady_timer(self, DEMAND_PERIOD_S, self._follow_demand)
        # What looks once a second may have missed that the node was not active.
        for silence in self._silence.values():
            silence.restart()
        self._diagnostics.restart()
        self.get_logger().info("active: subscribes to its inputs while somebody listens to a depth topic")
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and end the threads of the completion; what waits is forgotten."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the pipeline and the publishers; what is still being built is cancelled."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything, from any state; what is being built is cancelled."""
        self._end()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured after a transition failed, so that it can be tried again."""
        self._end()
        return super().on_error(state)

    def destroy_node(self) -> None:
        """End the threads of the completion before the node goes; what is being built is cancelled."""
        self._end()
        self._log_handler.close()
        super().destroy_node()

    def _build(self) -> None:
        self._place = self.make_frames()
        self._pipeline = self.make_pipeline()
        self._pipeline.build_while(lambda: not self._is_stopping())
        warm_up(self._pipeline)
        self._sensors = Sensors(self, self._settings, self._statistics)
        for name in unused_overrides(self):
            self.get_logger().warning(
                f"{name} takes no effect: outputs take history, depth and reliability, as in "
                "qos_overrides./depth/image_rect.publisher.depth; inputs follow input_reliability and input_depth"
            )
        self.get_logger().info(
            "configured: " + ", ".join(f"{key} {fact}" for key, fact in self._pipeline.facts.items())
        )

    def _follow_demand(self) -> None:
        if self._sensors is not None and self._completer is not None:
            self._sensors.follow_demand(self._completer.submit)

    def _apply(self, changed: Sequence[ParameterGroup[Any]]) -> None:
        if self._sensors is not None:
            self._sensors.configure(changed)
        if self._completer is not None:
            self._completer.configure()

    def _report(self) -> None:
        """Tell once a second what runs, and why nothing comes out where nothing does."""
        for name, statistics in self._statistics.items():
            with drops_counted(statistics, "internal"):
                self._judge(name, statistics)
        facts = {"model": self._settings.model.value.model} if self._pipeline is None else self._pipeline.facts
        self._diagnostics.publish(facts, "" if self._completer else "not active")

    def _judge(self, name: str, statistics: Statistics) -> None:
        channel = None if self._sensors is None else self._sensors.channels[name]
        causes = self._silence[name].look(self._evidence(statistics, channel))
        statistics.cause = causes[0].text if causes else ""
        if causes:  # nothing comes out, not even worse
            statistics.degradation = ""
        statistics.idle = "waiting for a subscriber" if channel is not None and not channel.is_open else ""
        statistics.building = "" if self._pipeline is None else self._pipeline.building
        statistics.fault = "" if self._pipeline is None else self._pipeline.fault

    def _evidence(self, statistics: Statistics, channel: Channel | None) -> Evidence:
        pairing = self._settings.pairing_config
        known = Evidence(
            "active" if self._completer else "unconfigured" if self._sensors is None else "inactive",
            building="" if self._pipeline is None else self._pipeline.building,
            refused=self._refused,
            outputs=statistics.depth_maps,
            slop_s=pairing.sync_slop,
            drops=statistics.drops(),
            clocks=clocks(self),
            large_lost=large_lost(),
            other_nodes=other_nodes(self),
        )
        if self._sensors is None or channel is None:
            return known
        known = replace(known, listeners=channel.outputs.listeners(), topics=self._sensors.evidence(channel))
        pairs = channel.pairs
        return known if pairs is None else replace(known, paired=pairs.paired, gap_ns=pairs.nearest_gap_ns)

    def _input_topics(self, camera: str) -> dict[str, str]:
        settings = self._settings
        suffix = "/compressed" if settings.input.value.image_transport == "compressed" else ""
        topics = {"image_topic": self.resolve_topic_name(topic_of(camera, "image")) + suffix}
        if settings.read_camera is not None:
            topics["camera_info_topic"] = self.resolve_topic_name(topic_of(camera, "camera_info"))
        if settings.lidars:
            points = [self.resolve_topic_name(topic_of(lidar, "points")) for lidar in settings.lidars]
            topics["points_topic"] = ",".join(points)
        return topics

    def _logger_of(self, camera: str) -> Any:
        logger = self.get_logger()
        return logger.get_child(camera.replace("/", ".")) if camera else logger

    def _end(self) -> None:
        if self._pipeline is not None:
            self._pipeline.cancel()
        self._stop()
        self._release()

    def _stop(self) -> None:
        if self._sensors is not None:
            self._sensors.unsubscribe()
        if self._completer is not None:
            self.destroy_timer(self._demand)
            if not self._completer.close():
                self.get_logger().warning(f"a depth map takes longer than {CLOSE_PATIENCE_S:g} s: it is given up")
            self._completer = None

    def _release(self) -> None:
        if self._sensors is not None:
            self._sensors.close()
        if self._place is not None:
            self._place.close()
        if self._pipeline is not None:
            self._pipeline.close()
        self._sensors = self._place = self._pipeline = None
