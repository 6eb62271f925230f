"""Every cause of silence, told from evidence alone; and when it is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_ros.errors import DepthRosError
from depth_ros.frame import PointCloud
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_camera, decode_cloud, decode_image
from depth_ros.messages.encode import encode_camera, encode_cloud, encode_image
from depth_ros.nodes.evidence import CAMERA_INFO, CLOUD, IMAGES, Clocks, Drop, Evidence, Publisher, Topic
from depth_ros.nodes.silence import CAUSES, CLUES, DELIBERATE, SilenceWatch, diagnose
from depth_ros.pipelines.guard import require_points

S = 1_000_000_000
WALL = 1_790_000_000 * S


def topic(name: str, kind: str, **changes: Any) -> Topic:
    offers, frame_id = [Publisher("/driver", kind)], name.strip("/")
    flowing = Topic(name, kind, offers, "reliable", False, 50, 0.05, 0.1, WALL - S // 10, frame_id, waited_s=9.0)
    return replace(flowing, **changes)


IMAGE, INFO, POINTS = topic("/image", IMAGES[0]), topic("/info", CAMERA_INFO), topic("/points", CLOUD)
CLOCKS = Clocks(WALL, WALL)
FLOWING = Evidence(listeners=1, topics=[IMAGE, INFO, POINTS], clocks=CLOCKS, large_lost=True)
NEVER: dict[str, Any] = {"received": 0, "age_s": None, "interval_s": 0.0, "stamp_ns": None}
BEST_EFFORT = [Publisher("/driver", IMAGES[0], "best_effort")]
TOO_FAR = {"scan_too_far": Drop(9, "")}


def image(**changes: Any) -> Evidence:
    return replace(FLOWING, topics=[replace(IMAGE, **changes), INFO, POINTS])


def points(**changes: Any) -> Evidence:
    return replace(FLOWING, topics=[IMAGE, INFO, replace(POINTS, **changes)])


def info(**changes: Any) -> Evidence:
    return replace(FLOWING, topics=[IMAGE, replace(INFO, **changes), POINTS])


def dropped(reason: str, text: str = "what: what to do", **changes: Any) -> Evidence:
    return replace(FLOWING, drops={reason: Drop(20, text)}, paired=20, **changes)


def apart(gap_ms: float, scan_ns: int = WALL, image_ns: int = WALL, clocks: Clocks = CLOCKS) -> Evidence:
    topics = [replace(IMAGE, stamp_ns=image_ns), INFO, replace(POINTS, stamp_ns=scan_ns)]
    return replace(FLOWING, topics=topics, drops=TOO_FAR, gap_ns=round(gap_ms * 1e6), clocks=clocks)


CASES: list[tuple[str, Evidence, list[str]]] = [
    (
        "not_configured",
        replace(FLOWING, state="unconfigured", refused="unknown model 'x': known are y"),
        ["cannot configure: unknown model 'x': known are y"],
    ),
    ("not_active", replace(FLOWING, state="inactive", listeners=0), ["inactive", "activate"]),
    ("not_active", replace(FLOWING, state="unconfigured"), ["unconfigured", "configure"]),
    ("building", replace(FLOWING, building="TensorRT engine", state="unconfigured"), ["TensorRT engine"]),
    ("nobody_listens", replace(FLOWING, listeners=0), ["nobody listens"]),
    ("alone", replace(FLOWING, other_nodes=0), ["ROS_DOMAIN_ID"]),
    ("no_publisher", image(publishers=(), **NEVER), ["nobody publishes /image", "ROS_DOMAIN_ID"]),
    (
        "no_publisher",
        image(publishers=(), candidates=("/front/image_raw", "/b"), choice="-r front/image:=", **NEVER),
        ["/front/image_raw, /b: is it -r front/image:=/front/image_raw?"],
    ),
    (
        "no_publisher",
        image(publishers=(), candidates=("/b/compressed",), choice="-r image:=", suffix="/compressed", **NEVER),
        ["-r image:=/b?"],
    ),
    (
        "no_publisher",
        image(publishers=(), candidates=("/b/zipped",), choice="-r image:=", suffix="/compressed", **NEVER),
        ["start the driver"],
    ),
    ("wrong_type", info(publishers=[Publisher("/d", IMAGES[0])], **NEVER), [f"remap to a topic of type {CAMERA_INFO}"]),
    (
        "no_camera_info",
        info(publishers=(), **NEVER),
        ["nobody publishes /info", "no CameraInfo at all", "camera_info_url"],
    ),
    (
        "no_camera_info",
        info(publishers=(), candidates=("/cam/camera_info",), choice="-r camera_info:=", **NEVER),
        ["CameraInfo is published on /cam/camera_info: is it -r camera_info:=/cam/camera_info?"],
    ),
    ("wrong_type", image(publishers=[Publisher("/d", IMAGES[1])], **NEVER), [IMAGES[1], "image_transport: compressed"]),
    ("wrong_type", points(publishers=[Publisher("/d", "livox/msg/CustomMsg")], **NEVER), ["xfer_format to 0"]),
    (
        "wrong_type",
        points(publishers=[Publisher("/d", "a/msg/B")], **NEVER),
        ["a/msg/B", f"remap to a topic of type {CLOUD}"],
    ),
    ("qos_reliability", image(publishers=BEST_EFFORT, **NEVER), ["/driver offers /image", "input_reliability to auto"]),
    ("qos_durability", info(latched=True, **NEVER), ["volatile", "transient_local"]),
    ("qos_incompatible", points(refused=1, **NEVER), ["ros2 topic info -v /points"]),
    (
        "large_best_effort",
        image(publishers=BEST_EFFORT, reliability="best_effort", **NEVER),
        ["0.5 MB", "PROFILES_FILE"],
    ),
    ("publisher_silent", image(**NEVER), ["/driver is there"]),
    ("publisher_silent", replace(image(reliability="best_effort", **NEVER), large_lost=False), ["/driver is there"]),
    ("no_camera_info", info(**NEVER), ["/info", "calibration"]),
    ("input_stopped", points(age_s=2.5), ["/points has stopped, 2.5 s after the last of 50 messages"]),
    ("input_stopped", points(age_s=2.5, publishers=()), ["the publisher of /points is gone"]),
    (
        "input_over",
        replace(FLOWING, topics=[replace(one, age_s=2.5, publishers=()) for one in (IMAGE, INFO, POINTS)]),
        ["/image and /points for 2.5 s", "bag is over"],
    ),
    ("k_zero", dropped("bad_camera_info", "CameraInfo has a K of zeros: calibrate it"), ["calibrate it"]),
    ("no_transform", dropped("no_transform", "no transform from 'a' to 'b': publish /tf"), ["'a' to 'b'"]),
    (
        "no_transform_in_tf",
        dropped("no_transform", "no transform from 'a' to 'b' in TF (too old): publish /tf"),
        ["'a' to 'b' in TF"],
    ),
    ("too_late", dropped("too_late", "the image is 0.9 s old: raise max_age"), ["0.9 s"]),
    ("superseded", dropped("superseded", outputs=3), ["20 images", "model: classical"]),
    ("superseded", dropped("queue_full", outputs=3), ["slower than the camera"]),
    ("k_zero", dropped("not_completed", "no focal length is known, and m has no focal head"), ["focal head"]),
    ("slow", dropped("superseded"), ["the first image is still being completed"]),
    ("not_subscribed", replace(dropped("not_subscribed", "'x' cannot be a topic"), topics=()), ["'x' cannot be"]),
    ("not_completed", dropped("not_completed", "the model gave NaN: report it"), ["NaN"]),
    (
        "internal",
        dropped("internal_KeyError", "unexpected error:\nTraceback\n  KeyError"),
        ["unexpected error: KeyError"],
    ),
    ("stamps_apart", apart(95), ["/image and /points are 95 ms apart", "sync_slop is 60 ms", "points_offset"]),
    ("clocks_differ", apart(2500, scan_ns=WALL - 5 * S // 2), ["2.5 s apart", "chrony"]),
    ("stamp_in_future", apart(3000, scan_ns=WALL + 3 * S), ["/points are 3.0 s in the future"]),
    ("stamp_zero", apart(0, scan_ns=0), ["/points are zero", "header.stamp"]),
    ("sim_against_wall", apart(1e12, scan_ns=12 * S), ["/image is stamped with wall time", "12.0 s", "use_sim_time"]),
    ("sim_against_wall", apart(1e12, image_ns=12 * S), ["/points is stamped with wall time"]),
    (
        "sim_against_wall",
        apart(1e12, scan_ns=WALL - 10**16, clocks=Clocks(WALL - 10**16, WALL, simulated=True)),
        ["/image is stamped with wall time", "UTC"],
    ),
    ("clocks_differ", points(stamp_ns=WALL - 20 * S), ["19.9 s apart"]),  # nothing dropped yet
    ("slow", replace(FLOWING, paired=3), ["still being completed"]),
    ("unexplained", replace(FLOWING, drops={"scan_duplicate": Drop(3, "twice")}), ["scan_duplicate: twice"]),
]


@pytest.mark.parametrize(("name", "evidence", "words"), CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)])
def test_each_cause_is_named_alone_in_one_line_with_its_remedy(name: str, evidence: Evidence, words: list[str]) -> None:
    (cause,) = diagnose(evidence)
    assert cause.name == name
    assert not [word for word in words if word not in cause.text]
    assert "\n" not in cause.text


def test_what_never_came_is_told_beside_what_has_stopped() -> None:
    over = replace(FLOWING, topics=[replace(one, age_s=2.5) for one in (IMAGE, INFO, POINTS)])
    assert [cause.name for cause in diagnose(over)] == ["input_over"]
    without = [replace(one, **NEVER) if one.type_name == CAMERA_INFO else one for one in over.topics]
    assert [cause.name for cause in diagnose(replace(over, topics=without))] == ["input_over", "no_camera_info"]


@pytest.mark.parametrize(
    ("clocks", "stamp_ns", "name", "word"),
    [
        (Clocks(0, WALL, simulated=True), 12 * S, "no_clock", "--clock"),
        (CLOCKS, 12 * S, "other_time", "use_sim_time:=true"),
        (CLOCKS, WALL - 10**17, "other_time", "UTC"),
        (Clocks(12 * S, WALL, simulated=True), WALL, "other_time", "turn use_sim_time off"),
    ],
)
@pytest.mark.parametrize(
    ("reason", "text", "cause"),
    [("no_transform", "no transform from 'a' to 'b' in TF (late)", "no_transform_in_tf"), ("too_late", "", "too_late")],
)
def test_the_nodes_clock_is_looked_at_where_it_matters(
    clocks: Clocks, stamp_ns: int, name: str, word: str, reason: str, text: str, cause: str
) -> None:
    topics = [replace(one, stamp_ns=stamp_ns) for one in FLOWING.topics]
    clock, other = diagnose(dropped(reason, text, topics=topics, clocks=clocks))
    assert (clock.name, other.name) == (name, cause)
    assert word in clock.text


def test_extrinsics_that_nobody_gave_have_nothing_to_do_with_the_clock() -> None:
    topics = [replace(one, stamp_ns=12 * S) for one in FLOWING.topics]
    found = diagnose(dropped("no_transform", "no transform from 'a' to 'b': give it", topics=topics, clocks=CLOCKS))
    assert [cause.name for cause in found] == ["no_transform"]


def refusal(action: Callable[[], Any]) -> str:
    with pytest.raises(DepthRosError) as caught:
        action()
    return str(caught.value)


def make(_type: str, /, **fields: Any) -> Any:
    return SimpleNamespace(**fields)


def camera_info(focal: float) -> Any:
    message = encode_camera(make, 0, "camera", Camera.from_focal(8, 6, 5, 5, 4, 3))
    message.k = [focal, 0.0, 4.0, 0.0, focal, 3.0, 0.0, 0.0, 1.0] if focal else [0.0] * 9
    return message


def picture(encoding: str) -> Any:
    message = encode_image(make, 0, "camera", np.zeros((6, 8, 3), np.uint8), "rgb8")
    message.encoding = encoding
    return message


def cloud(field: str) -> Any:
    message = encode_cloud(make, 0, "lidar", PointCloud(np.ones((5, 3), np.float32)))
    message.fields = [one for one in message.fields if one.name != field]
    return message


@pytest.mark.parametrize(
    ("reason", "refused", "cause"),
    [
        ("bad_camera_info", lambda: decode_camera(camera_info(0)), "k_zero"),
        ("bad_camera_info", lambda: decode_camera(camera_info(-5)), "bad_camera_info"),
        ("bad_image", lambda: decode_image(picture("octopus9")), "encoding_unknown"),
        ("bad_image", lambda: decode_image(picture("32FC1")), "encoding_unknown"),
        ("bad_image", lambda: decode_image(picture("rgba8")), "bad_image"),
        ("bad_points", lambda: decode_cloud(cloud("x")), "cloud_without_xyz"),
        ("bad_points", lambda: decode_cloud(SimpleNamespace()), "bad_points"),
        ("too_sparse", lambda: require_points(np.zeros((6, 8), np.float32), 10), "outside_image"),
        ("too_sparse", lambda: require_points(np.eye(6, dtype=np.float32), 10), "too_sparse"),
    ],
)
def test_what_is_refused_is_told_by_its_own_text(reason: str, refused: Callable[[], Any], cause: str) -> None:
    text = refusal(refused)
    (found,) = diagnose(dropped(reason, text))
    assert (found.name, found.text) == (cause, text)


def test_the_table_and_the_checks_name_the_same_causes() -> None:
    assert {clue.cause for clue in CLUES} <= set(CAUSES)
    tested = {case[0] for case in CASES} | {clue.cause for clue in CLUES} | {"no_clock", "other_time"}
    assert tested == set(CAUSES)
    assert set(CAUSES) >= DELIBERATE


def test_what_blocks_first_comes_first_and_each_input_is_told() -> None:
    lost = replace(IMAGE, publishers=(), **NEVER)
    unseen = replace(POINTS, publishers=(), **NEVER)
    evidence = replace(dropped("bad_camera_info", "a K of zeros"), topics=[lost, INFO, unseen])
    found = diagnose(evidence)
    assert [(cause.name, cause.topic) for cause in found] == [
        ("no_publisher", "/image"),
        ("no_publisher", "/points"),
        ("k_zero", ""),
    ]


def test_a_publisher_that_has_just_come_is_waited_for() -> None:
    assert diagnose(image(waited_s=0.5, **NEVER)) == []


def test_slow_sensors_are_waited_for() -> None:
    slow = [replace(one, interval_s=3.0, age_s=2.5) for one in FLOWING.topics]
    assert diagnose(replace(FLOWING, topics=slow)) == []


class Watched:
    """A SilenceWatch with a clock and a log of the test's own."""

    def __init__(self, **options: Any) -> None:
        self.now = 100.0
        self.lines: list[tuple[str, str]] = []
        logger = SimpleNamespace(
            info=lambda text: self.lines.append(("info", text)),
            warning=lambda text: self.lines.append(("warning", text)),
        )
        self._watch = SilenceWatch(logger, lambda: self.now, **options)

    def look(self, evidence: Evidence, times: int = 1) -> list[str]:
        """Look once a second; return the names of the causes that were logged meanwhile."""
        before = len(self.lines)
        for _ in range(times):
            self._watch.look(evidence)
            self.now += 1
        return [text.partition("(")[2].partition(")")[0] for _, text in self.lines[before:]]


NO_IMAGE = image(publishers=(), **NEVER)


def test_a_cause_is_logged_within_three_seconds_and_once() -> None:
    watched = Watched()
    assert watched.look(NO_IMAGE, 2) == []
    assert watched.look(NO_IMAGE) == ["no_publisher"]
    assert watched.look(NO_IMAGE, 100) == []
    assert watched.lines[0][0] == "warning"


def test_further_causes_of_the_same_silence_are_logged_as_they_appear() -> None:
    watched = Watched()
    watched.look(NO_IMAGE, 3)
    assert watched.look(dropped("bad_camera_info", "a K of zeros"), 3) == ["k_zero"]
    no_points = replace(FLOWING, topics=[replace(IMAGE, publishers=(), **NEVER), INFO, replace(POINTS, age_s=9.0)])
    assert watched.look(no_points, 3) == ["input_stopped"]


def test_an_output_ends_the_episode() -> None:
    watched = Watched()
    watched.look(NO_IMAGE, 3)
    watched.now += 8
    assert watched.look(replace(NO_IMAGE, outputs=1)) == []
    assert watched.look(replace(NO_IMAGE, outputs=1), 3) == ["no_publisher"]


def test_an_input_that_comes_and_goes_for_an_hour_is_a_dozen_lines() -> None:
    watched = Watched()
    told = [watched.look(replace(NO_IMAGE, outputs=count), 6) for count in range(600)]
    assert 5 < len([name for names in told for name in names]) <= 12


def test_what_a_line_about_drops_has_told_is_not_told_again() -> None:
    watched = Watched()
    evidence = replace(FLOWING, drops={"bad_image": Drop(5, "the encoding is unknown", lines=1)})
    assert [cause.said for cause in diagnose(evidence)] == [True]
    watched.look(FLOWING)
    assert watched.look(evidence, 5) == []
    watched.look(replace(evidence, outputs=1))
    later = replace(evidence, outputs=1, drops={"bad_image": Drop(50, "the encoding is unknown", lines=1)})
    assert watched.look(later, 5) == ["encoding_unknown"], "kept back by the drops' own backoff"


def test_a_line_about_drops_of_the_moment_before_the_silence_was_seen_counts() -> None:
    watched = Watched()
    watched.look(replace(FLOWING, listeners=0, topics=()))
    drops = {"bad_camera_info": Drop(3, "a K of zeros", lines=1)}
    assert watched.look(replace(FLOWING, drops=drops)) == []
    drops = {"bad_camera_info": Drop(30, "a K of zeros", lines=1)}
    assert watched.look(replace(FLOWING, drops=drops), 5) == []


def test_that_the_last_listener_left_is_said_elsewhere() -> None:
    watched = Watched()
    watched.look(FLOWING)
    assert watched.look(replace(FLOWING, listeners=0, topics=()), 5) == []


def test_inputs_that_come_back_are_given_time() -> None:
    """A bag is paused for ten seconds: the images and scans around the pause tell nothing of clocks or slowness."""
    watched = Watched()
    watched.look(FLOWING)
    paused = replace(FLOWING, topics=[replace(one, age_s=9.0) for one in (IMAGE, INFO, POINTS)])
    assert watched.look(replace(paused, drops=TOO_FAR, gap_ns=95_000_000), 12) == ["input_over"]
    back = replace(FLOWING, drops=TOO_FAR, gap_ns=95_000_000)
    assert watched.look(replace(back, paired=1), 2) == []
    assert watched.look(replace(back, paired=2), 2) == ["slow"]


def test_a_camera_info_of_zeros_that_comes_once_and_first_is_not_forgotten() -> None:
    watched = Watched()
    watched.look(replace(FLOWING, topics=[replace(one, **NEVER) for one in FLOWING.topics]))
    once = {"bad_camera_info": Drop(1, "a K of zeros")}
    early = [replace(IMAGE, **NEVER), replace(INFO, received=1), replace(POINTS, **NEVER)]
    watched.look(replace(FLOWING, topics=early, drops=once))
    assert watched.look(replace(FLOWING, drops=once), 4) == ["k_zero"]


def test_the_first_frame_is_given_time_once_its_inputs_are_there() -> None:
    watched = Watched()
    assert watched.look(NO_IMAGE, 5) == ["no_publisher"]
    assert watched.look(replace(FLOWING, paired=1), 2) == []


def test_a_slow_lidar_has_no_other_clock() -> None:
    """One scan in three seconds is up to three seconds older than the newest image."""
    topics = [IMAGE, INFO, replace(POINTS, received=1, age_s=1.4, stamp_ns=WALL - 15 * S // 10)]
    assert "clocks_differ" not in [cause.name for cause in diagnose(replace(FLOWING, topics=topics))]


def test_nothing_is_said_while_depth_flows() -> None:
    watched = Watched()
    for count in range(20):
        watched.look(replace(NO_IMAGE, outputs=count))
    assert not watched.lines


def test_drops_and_pairs_of_the_time_before_the_silence_are_not_blamed() -> None:
    watched = Watched()
    before = dropped("bad_image", "broken", outputs=5)
    watched.look(before)
    stopped = replace(before, topics=[replace(IMAGE, age_s=4.0), INFO, POINTS])
    assert watched.look(stopped, 3) == ["input_stopped"]


def test_listening_and_activation_begin_an_episode() -> None:
    watched = Watched()
    assert watched.look(replace(NO_IMAGE, state="inactive"), 5) == ["not_active"]
    assert watched.look(replace(NO_IMAGE, listeners=0), 5) == ["nobody_listens"]
    assert [level for level, _ in watched.lines] == ["info", "info"]
    assert watched.look(NO_IMAGE, 2) == []
    assert watched.look(NO_IMAGE) == ["no_publisher"]


def test_a_silence_that_began_before_an_unseen_restart_does_not_count() -> None:
    watched = Watched()
    watched.look(NO_IMAGE, 2)
    watched._watch.restart()
    assert watched.look(NO_IMAGE, 2) == []
    assert watched.look(NO_IMAGE) == ["no_publisher"]


def test_drops_of_before_a_restart_are_not_blamed() -> None:
    watched = Watched()
    watched.look(dropped("bad_image", "broken"))
    watched._watch.restart()
    assert watched.look(dropped("bad_image", "broken"), 4) == ["unexplained"]


def test_a_node_that_has_not_subscribed_yet_does_not_say_that_every_input_arrives() -> None:
    assert diagnose(replace(FLOWING, topics=())) == []


def test_a_camera_of_one_image_in_five_seconds_is_no_silence() -> None:
    watched = Watched()
    slow = [replace(one, interval_s=5.0, age_s=1.0) for one in FLOWING.topics]
    assert watched.look(replace(FLOWING, topics=slow, paired=1), 9) == []


def test_only_chosen_causes_are_told() -> None:
    watched = Watched(only=frozenset({"k_zero"}), after_s=0.5)
    assert watched.look(NO_IMAGE, 5) == []
    assert watched.look(dropped("bad_camera_info", "a K of zeros"), 5) == ["k_zero"]


@pytest.mark.live
def test_the_node_says_why_each_input_gives_nothing(probe: Any, start: Callable[..., Any]) -> None:
    process = start("depth_ros.nodes.completion", "--ros-args", "-p", "model:=classical", "-r", "points:=elsewhere")
    image, info_output = probe.inputs["image"], probe.inputs["camera_info"]
    probe.spin_until(lambda: image.get_subscription_count() and info_output.get_subscription_count())
    for stamp in range(0, 45 * S // 10, S // 10):
        probe.send_image(WALL + stamp)
        probe.spin_for(0.07)
    code, output = process.stop()
    assert code == 0
    for line in (
        "no output (no_publisher): nobody publishes /elsewhere: PointCloud2 is published on /points: is it -r points:=",
        "no output (no_camera_info): nothing has arrived on /camera_info, though /probe is there",
    ):
        assert output.count(line) == 1, output
    assert "(publisher_silent)" not in output
