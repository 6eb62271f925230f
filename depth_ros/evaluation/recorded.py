"""Score depth that was recorded into a bag, against the truth of the same drive."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from depth_ros.bags.bag_file import BagFile, decode_recorded
from depth_ros.bags.topics import choose_topics
from depth_ros.errors import EvaluationError
from depth_ros.evaluation.cases import OWN_TRUTH, PROTOCOL, Case, Depth, Estimate, score_case
from depth_ros.evaluation.replay import Watch, draw_case, spread
from depth_ros.evaluation.result import Picture, Result, Score
from depth_ros.frame import Source
from depth_ros.messages.decode import decode_array, decode_image, stamp_ns
from depth_ros.messages.depth_encoding import decode_depth

DEPTH_TOPIC = "/depth/image_rect"


class Outcome(NamedTuple):
    """What one truth image gave; empty where no depth of its stamp was recorded."""

    scores: list[Score]
    pictures: list[Picture]


def score_recorded(
    recorded: str | Path,
    truth: str | Path,
    *,
    depth_topic: str = DEPTH_TOPIC,
    method: str = "recorded",
    folder: Path | None = None,
    pictures: int = 6,
    watch: Watch = iter,
) -> Result:
    """Score the depth of one bag against the truth of another (or the same) at equal stamps.

    `sigma` and `source` beside the depth topic are used where they were recorded. method: its name in the tables,
    whose source is the truth's bag, so that the result merges with a replay of that bag. folder: where pictures go;
    None = no pictures. Every truth image without a depth of its stamp counts as missing. Raises EvaluationError when a
    topic is not there or no stamp fits, and BagError on what is no bag.
    """
    with BagFile(recorded) as answers, BagFile(truth) as truths:
        topic = choose_topics(truths).truth
        if topic is None:
            raise EvaluationError(f"{truth} holds no true depth: give a bag of `depth_ros bag synth`")
        if depth_topic not in answers.topics:
            raise EvaluationError(f"{recorded} holds no {depth_topic}: it has {', '.join(sorted(answers.topics))}")
        total = truths.topics[topic].total
        chosen = spread(total, pictures) if folder is not None else []
        scorer = _Scorer(answers, truths, depth_topic, method, folder)
        outcomes = list(watch(scorer.score(topic, chosen)))
        depths = answers.topics[depth_topic].total
    matched = [outcome for outcome in outcomes if outcome.scores]
    if not matched:
        raise EvaluationError(f"no depth of {recorded} has the stamp of a true depth of {truth}: record the same drive")
    return Result(
        title=f"Recorded depth of {Path(recorded).resolve().stem}",
        scores=[score for outcome in matched for score in outcome.scores],
        facts={
            "images": total,
            "depth maps": depths,
            "with equal stamps": len(matched),
            "missing": total - len(matched),
            "scored on": OWN_TRUTH,
        },
        protocol=list(PROTOCOL),
        config={"recorded": str(recorded), "truth": str(truth), "depth_topic": depth_topic},
        pictures=[picture for outcome in matched for picture in outcome.pictures],
    )


class _Scorer:
    """Reads truth and answers side by side, in the order of their stamps."""

    def __init__(self, answers: BagFile, truths: BagFile, depth_topic: str, method: str, folder: Path | None) -> None:
        beside = depth_topic.rpartition("/")[0]
        self._truths, self._folder, self._method = truths, folder, method
        self._name = truths.path.resolve().stem
        self._depths = _ByStamp(answers, depth_topic)
        self._sigmas = _ByStamp(answers, f"{beside}/sigma")
        self._sources = _ByStamp(answers, f"{beside}/source")
        self._images = _ByStamp(truths, choose_topics(truths).image)

    def score(self, truth_topic: str, chosen: list[int]) -> Iterator[Outcome]:
        """Yield an outcome per truth image; those whose number is in `chosen` are drawn."""
        for number, message in enumerate(_messages(self._truths, truth_topic)):
            stamp = stamp_ns(message.header.stamp)
            found = self._found(stamp)
            if found is None:
                yield Outcome([], [])
                continue
            case = self._case(stamp, decode_depth(message), found.depth)
            scores = score_case(self._name, self._method, case, found)
            yield Outcome(scores, [self._draw(number, case, found, scores[0])] if number in chosen else [])

    def _found(self, stamp: int) -> Estimate | None:
        message = self._depths.at(stamp)
        if message is None:
            return None
        depth = _known(decode_depth(message))
        sigma = self._sigmas.at(stamp)
        unknown = np.full_like(depth, np.nan)
        return Estimate(depth, unknown if sigma is None else _known(decode_depth(sigma)), math.nan)

    def _case(self, stamp: int, truth: Depth, depth: Depth) -> Case:
        if truth.shape != depth.shape:
            raise EvaluationError(f"depth is {depth.shape[::-1]}, its truth {truth.shape[::-1]}: score the same camera")
        source, image = self._sources.at(stamp), self._images.at(stamp)
        # Without a source image every known pixel counts as given: coverage is then where depth was recorded.
        given = np.isfinite(depth) if source is None else decode_array(source) == Source.MEASURED
        sparse = np.where(given & np.isfinite(depth), depth, np.float32(0))
        rgb = None if image is None else decode_image(image)
        return Case(str(stamp), rgb, sparse, _known(truth), "all returns of the scan", OWN_TRUTH)

    def _draw(self, number: int, case: Case, found: Estimate, score: Score) -> Picture:
        assert self._folder is not None
        title = f"{self._name} / {case.name}: {self._method}"
        return draw_case(self._folder, f"{self._name}_{number:04d}_{self._method}", title, case, found, score)


class _ByStamp:
    """The messages of one topic, asked for by rising stamps; a topic that is not there gives none."""

    def __init__(self, bag: BagFile, topic: str | None) -> None:
        self._messages = iter(()) if topic is None or topic not in bag.topics else _messages(bag, topic)
        self._next: Any = None

    def at(self, stamp: int) -> Any | None:
        """Return the message of exactly this stamp (ns), or None."""
        while self._next is None or stamp_ns(self._next.header.stamp) < stamp:
            self._next = next(self._messages, None)
            if self._next is None:
                return None
        return self._next if stamp_ns(self._next.header.stamp) == stamp else None


def _messages(bag: BagFile, topic: str) -> Iterator[Any]:
    return (decode_recorded(recorded) for recorded in bag.messages([topic]))


def _known(depth: Depth) -> Depth:
    return np.where(np.isfinite(depth), depth, np.float32(np.nan))
