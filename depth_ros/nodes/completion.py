"""completion_node: a camera image and a LiDAR scan in, dense metric depth out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, monotonic_ns
from traceback import format_exc
from typing import Any, NamedTuple

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.utilities import remove_ros_args

from depth_ros.config import CompletionConfig, PairingConfig
from depth_ros.errors import ConfigError, DepthRosError, NodeError
from depth_ros.frame import DepthMap, Frame
from depth_ros.nodes.config import ExtrinsicsConfig, InputConfig, LifecycleConfig, LinkConfig, OutputConfig
from depth_ros.nodes.diagnostics import DiagnosticPublisher, Statistics
from depth_ros.nodes.extrinsics import Extrinsics, make_extrinsics, resolve_source
from depth_ros.nodes.inputs import InputPair, Inputs
from depth_ros.nodes.logs import RosLogHandler
from depth_ros.nodes.outputs import Outputs
from depth_ros.nodes.parameters import ParameterGroup, watch
from depth_ros.nodes.qos import steady_timer
from depth_ros.nodes.spin import run
from depth_ros.nodes.stages import Stages
from depth_ros.pipelines.base import Finish, Pipeline, warm_up
from depth_ros.pipelines.factory import make_pipeline

DEMAND_PERIOD_S = 0.1
# Longer than a listener takes to come back, as rviz does when a topic is chosen anew.
UNWATCHED_S = 2.0
# `ros2 launch` sends its second signal after 5 s.
CLOSE_PATIENCE_S = 4.0
EXAMPLE = (
    "example: completion_node --ros-args -r image:=/camera/image_raw -r camera_info:=/camera/camera_info "
    "-r points:=/lidar/points -p extrinsics_file:=extrinsics.yaml; every parameter stands in config/completion.yaml"
)
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class Prepared(NamedTuple):
    """What completes a frame, and when its image arrived on the steady clock."""

    finish: Finish
    arrived_ns: int


class Completed(NamedTuple):
    """A depth map, and when its image arrived on the steady clock."""

    depth_map: DepthMap
    arrived_ns: int


class CompletionNode(LifecycleNode):  # type: ignore[misc]
    """Lifecycle node around one pipeline.

    Decoding and pairing run on the executor; the two halves of the completion, and encoding with publishing, run in a
    thread each, so that neither inference nor a large cloud holds up the next frame. Raises ConfigError at construction
    when a parameter is out of range; the text names it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("completion_node", **options)
        self._pipeline: Pipeline | None = None
        self._extrinsics: Extrinsics | None = None
        self._outputs: Outputs | None = None
        self._inputs: Inputs | None = None
        self._stages: Stages[InputPair, Prepared, Completed] | None = None
        self._log_handler = RosLogHandler(self.get_logger())
        self._lifecycle = ParameterGroup(self, LifecycleConfig())
        self._completion = ParameterGroup(self, CompletionConfig())
        self._pairing = ParameterGroup(self, PairingConfig())
        self._input = ParameterGroup(self, InputConfig())
        self._output = ParameterGroup(self, OutputConfig())
        self._extrinsics_config = ParameterGroup(self, ExtrinsicsConfig())
        self._links = {
            name: ParameterGroup(self, LinkConfig(), f"extrinsics.{name}.")
            for name in self._extrinsics_config.value.extrinsics_links
        }
        groups: list[ParameterGroup[Any]] = [
            self._completion,
            self._pairing,
            self._input,
            self._output,
            *self._links.values(),
        ]
        watch(self, groups, self._apply)
        self._statistics = Statistics(self.get_logger())
        self._diagnostics = DiagnosticPublisher(self, self._statistics)
        steady_timer(self, 1.0, self._report)

    def start(self) -> None:
        """Configure and activate, unless the parameter `autostart` leaves that to a lifecycle manager."""
        if self._lifecycle.value.autostart and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build the pipeline and the publishers; FAILURE, with the reason logged, when that cannot be done."""
        try:
            self._pipeline = make_pipeline(self._completion.value)
            warm_up(self._pipeline)
            self._extrinsics = self._make_extrinsics()
        except DepthRosError as error:
            self.get_logger().error(f"cannot configure: {error}; correct it, then configure again or restart")
            return FAILURE
        except Exception:  # rclpy swallows what a transition raises
            self.get_logger().error(f"cannot configure, please report:\n{format_exc()}")
            return FAILURE
        self._outputs = Outputs(self, self._output)
        self.get_logger().info(
            "configured: " + ", ".join(f"{key} {fact}" for key, fact in self._pipeline.facts.items())
        )
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the threads of the completion, and subscribe while somebody listens."""
        result = super().on_activate(state)
        self._stages = Stages(self._prepare, self._finish, self._send, self._superseded, self._queue_size())
        self._demand = steady_timer(self, DEMAND_PERIOD_S, self._follow_demand)
        self.get_logger().info("active: subscribes to its inputs while somebody listens to a depth topic")
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and end the threads of the completion; what waits is forgotten."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the pipeline and the publishers."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything, from any state."""
        self._stop()
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured after a transition failed, so that it can be tried again."""
        self._stop()
        self._release()
        return super().on_error(state)

    def destroy_node(self) -> None:
        """End the threads of the completion before the node goes."""
        self._stop()
        self._log_handler.close()
        super().destroy_node()

    def _follow_demand(self) -> None:
        if self._stages is None or self._outputs is None:
            return
        if self._outputs.wanted():
            self._wanted_at = monotonic()
            # A publisher that waits for our subscription thereby knows that our listeners are connected too.
            if self._inputs is None:
                self._inputs = Inputs(self, self._input, self._pairing.value, self._statistics, self._stages.submit)
        elif self._inputs is not None and monotonic() - self._wanted_at > UNWATCHED_S:
            self._inputs.flush()
            self._inputs.close()
            self._inputs = None
            self.get_logger().info("nobody listens to a depth topic any more: unsubscribed until somebody does")

    def _prepare(self, pair: InputPair) -> Prepared | None:
        pipeline, outputs = self._pipeline, self._outputs
        assert pipeline is not None and outputs is not None  # noqa: PT018
        with self._drops_counted():
            if outputs.wanted():
                return Prepared(pipeline.prepare(self._frame(pair)), pair.image.arrived_ns)
            self._statistics.drop("no_subscribers", "nobody listens to the depth topics")
        return None

    def _frame(self, pair: InputPair) -> Frame:
        assert self._extrinsics is not None
        image, scan = pair.image, pair.scan
        T_cam_lidar = self._extrinsics.lookup(image.frame_id, scan.frame_id, pair.image_stamp_ns)
        return Frame(
            pair.image_stamp_ns,
            image.frame_id,
            image.rgb,
            image.camera,
            points=scan.points,
            T_cam_lidar=T_cam_lidar,
            scan_stamp_ns=pair.scan_stamp_ns,
        )

    def _finish(self, prepared: Prepared) -> Completed | None:
        with self._drops_counted():
            return Completed(prepared.finish(), prepared.arrived_ns)
        return None

    def _send(self, completed: Completed) -> None:
        depth_map, arrived_ns = completed
        with self._drops_counted():
            assert self._outputs is not None
            self._outputs.publish(depth_map)
            age_ns = self.get_clock().now().nanoseconds - depth_map.stamp_ns
            self._statistics.publish(age_ns / 1e9, (monotonic_ns() - arrived_ns) / 1e9, depth_map.timings)
            if self._statistics.depth_maps == 1:
                self.get_logger().info("the first depth map is published; /diagnostics tells rate, age and drops")

    @contextmanager
    def _drops_counted(self) -> Iterator[None]:
        try:
            yield
        except NodeError as error:
            self._statistics.drop("no_transform", str(error))
        except DepthRosError as error:
            self._statistics.drop("not_completed", str(error))
        except Exception as error:  # a bug must not end the node; its traceback is logged with the first of its kind
            self._statistics.drop(
                f"internal_{type(error).__name__}", f"unexpected error, please report:\n{format_exc()}"
            )

    def _superseded(self, _item: object) -> None:
        if self._pairing.value.queue_policy == "latest":
            self._statistics.drop("superseded", "a newer pair came before this one could be completed")
        else:
            self._statistics.drop("queue_full", "completion is slower than the camera: queue_size pairs wait")

    def _queue_size(self) -> int:
        config = self._pairing.value
        return 1 if config.queue_policy == "latest" else config.queue_size

    def _apply(self, changed: Sequence[ParameterGroup[Any]]) -> None:
        if any(group in changed for group in self._links.values()):
            self._change_extrinsics()
        if self._completion in changed and self._pipeline is not None:
            self._pipeline = self._pipeline.configured(self._completion.value)
        if self._input in changed and self._inputs is not None:
            self._inputs.choose_camera()
        if self._pairing in changed:
            self._change_pairing()

    def _change_pairing(self) -> None:
        if self._inputs is not None:
            self._inputs.set_pairing(self._pairing.value)
        if self._stages is not None:
            self._stages.resize(self._queue_size())

    def _change_extrinsics(self) -> None:
        links = {name: group.value for name, group in self._links.items()}
        source = resolve_source(self._extrinsics_config.value, links)
        if source != "params":
            raise ConfigError(f"the extrinsics come from {source}: this parameter takes no effect")
        if self._extrinsics is not None:
            self._extrinsics = self._make_extrinsics()

    def _make_extrinsics(self) -> Extrinsics:
        links = {name: group.value for name, group in self._links.items()}
        return make_extrinsics(self, self._extrinsics_config.value, links)

    def _report(self) -> None:
        facts = {"model": self._completion.value.model} if self._pipeline is None else self._pipeline.facts
        state = "not active" if self._stages is None else "waiting for a subscriber" if self._inputs is None else ""
        self._diagnostics.publish(facts, state)

    def _stop(self) -> None:
        if self._inputs is not None:
            self._inputs.close()
            self._inputs = None
        if self._stages is not None:
            self.destroy_timer(self._demand)
            if not self._stages.close(CLOSE_PATIENCE_S):
                self.get_logger().warning(f"a depth map takes longer than {CLOSE_PATIENCE_S:g} s: it is given up")
            self._stages = None

    def _release(self) -> None:
        if self._outputs is not None:
            self._outputs.close()
        if self._extrinsics is not None:
            self._extrinsics.close()
        if self._pipeline is not None:
            self._pipeline.close()
        self._outputs = self._pipeline = self._extrinsics = None


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is stopped; return 0, or 1 when a parameter is wrong."""
    argv = sys.argv if args is None else ["completion_node", *args]
    argparse.ArgumentParser(prog="completion_node", description=__doc__, epilog=EXAMPLE).parse_args(
        remove_ros_args(argv)[1:]
    )
    return run(CompletionNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
