"""Faults that the drivers of the camera and of the LiDAR share."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.live
NAMES = {"image": "image", "points": "scan"}
"""What the node's drops call what comes on a topic."""


def of_each(*, quick: bool = False, **row: str) -> pytest.MarkDecorator:
    """Parametrise a test by topic: a fault of each, `{topic}` and `{name}` filled in."""
    return pytest.mark.parametrize(
        "topic",
        [
            pytest.param(
                topic,
                id=topic,
                marks=pytest.mark.fault(
                    topic, quick=quick, **{key: text.format(topic=topic, name=name) for key, text in row.items()}
                ),
            )
            for topic, name in NAMES.items()
        ],
    )


def message(robot: Any, topic: str, stamp: int) -> Any:
    return robot.image_message(stamp) if topic == "image" else robot.scan_message(stamp)


@of_each(
    broken="every {name} twice",
    sees="dropped ({name}_duplicate)",
    recovers="nothing is lost; each stamp is answered once",
    quick=True,
)
def test_duplicated(robot: Any, topic: str) -> None:
    for _ in range(3):
        robot.drive()
        robot.send(topic, message(robot, topic, robot.stamp))
    robot.recovers()
    name = NAMES[topic]
    robot.expect(f"{name} with this stamp is here already", **{f"{name}_duplicate": 3})


@of_each(
    broken="two drivers on one topic, with the same stamps",
    sees="dropped ({name}_duplicate)",
    recovers="when one of them goes",
)
def test_two_publishers(robot: Any, topic: str) -> None:
    second = robot.publisher(topic)
    robot.until(second.get_subscription_count)
    robot.spin(0.2)
    for _ in range(3):
        robot.drive()
        second.publish(message(robot, topic, robot.stamp))
        robot.spin(0.05)
    robot.node.destroy_publisher(second)
    robot.recovers()
    name = NAMES[topic]
    robot.expect(f"{name} with this stamp is here already", **{f"{name}_duplicate": 3})


@of_each(broken="the driver is restarted", sees="nothing", recovers="with its first {name}")
def test_restarted(robot: Any, topic: str) -> None:
    robot.restart(topic)
    robot.recovers()
    robot.expect()


@of_each(
    broken="the driver comes back best effort, then reliable",
    sees="'subscribed to /{topic} (best_effort)'",
    recovers="with its first {name}",
)
def test_qos_changed(robot: Any, topic: str) -> None:
    for reliability in ("best_effort", "reliable"):
        said = f"subscribed to /{topic} ({reliability})"
        before = robot.log().count(said)
        robot.restart(topic, reliability)
        robot.until(lambda said=said, before=before: robot.log().count(said) == before + 1)
        robot.recovers()
    robot.expect()


@of_each(broken="one is stamped zero", sees="dropped (bad_{topic}): stamp", recovers="with the next {name}", quick=True)
def test_stamped_zero(robot: Any, topic: str) -> None:
    robot.send(topic, message(robot, topic, 0))
    robot.recovers()
    robot.expect("its stamp is zero", **{f"bad_{topic}": 1})
