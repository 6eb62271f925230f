"""Score depth that was recorded into a bag, against the truth of the same drive."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from depth_ros.bags.bag_file import BagFile, decode_recorded
from depth_ros.bags.topics import choose_topics
from depth_ros.errors import BagError, DepthRosError, EvaluationError
from depth_ros.evaluation.cases import OWN_TRUTH, PROTOCOL, Case, Depth, Estimate, score_case
from depth_ros.evaluation.replay import Watch, draw_case, left_out_facts, spread
from depth_ros.evaluation.result import Picture, Result, Score
from depth_ros.frame import Source
from depth_ros.messages.decode import decode_array, decode_image, stamp_ns
from depth_ros.messages.depth_encoding import decode_depth

DEPTH_TOPIC = "/depth/image_rect"


class Outcome(NamedTuple):
    """What one truth image gave; empty where no depth of its stamp was recorded. fault: why it gave none, or empty."""

    scores: list[Score]
    pictures: list[Picture]
    fault: str = ""


def score_recorded(
    recorded: str | Path,
    truth: str | Path,
    *,
    depth_topic: str = DEPTH_TOPIC,
    method: str = "recorded",
    folder: Path | None = None,
    pictures: int = 6,
    topics: Mapping[str, str] | None = None,
    watch: Watch = iter,
) -> Result:
    """Score the depth of one bag against the truth of another (or the same) at equal stamps.

    `sigma` and `source` beside the depth topic are used where they were recorded. method: its name in the tables,
    whose source is the truth's bag, so that the result merges with a replay of that bag. folder: where pictures go;
    None = no pictures. topics: the truth bag's topics by role (truth, image), where they have other names. Every truth
    image without a depth of its stamp counts as missing; what cannot be read or scored is left out, counted and warned
    of. Raises EvaluationError when a topic is not there, no stamp fits or nothing is left, and BagError on what is no
    bag.
    """
    with BagFile(recorded) as answers, BagFile(truth) as truths:
        roles = choose_topics(truths, topics)
        if roles.truth is None:
            raise EvaluationError(f"{truth} holds no true depth: give --topic truth=NAME, or a bag of `bag synth`")
        if depth_topic not in answers.topics:
            raise EvaluationError(f"{recorded} holds no {depth_topic}: it has {', '.join(sorted(answers.topics))}")
        total = truths.topics[roles.truth].total
        chosen = spread(total, pictures) if folder is not None else []
        scorer = _Scorer(answers, truths, depth_topic, roles.image, method, folder)
        outcomes = list(watch(scorer.score(roles.truth, chosen)))
        depths = answers.topics[depth_topic].total
    matched = [outcome for outcome in outcomes if outcome.scores]
    left_out = left_out_facts([o.fault for o in outcomes if o.scores or o.fault], "images")
    if not matched:
        raise EvaluationError(f"no depth of {recorded} has the stamp of a true depth of {truth}: record the same drive")
    return Result(
        title=f"Recorded depth of {Path(recorded).resolve().stem}",
        scores=[score for outcome in matched for score in outcome.scores],
        facts={
            "images": total,
            "depth maps": depths,
            "with equal stamps": len(matched),
            "missing": total - len(matched) - left_out["left out"],
            **left_out,
            "scored on": OWN_TRUTH,
        },
        protocol=list(PROTOCOL),
        config={"recorded": str(recorded), "truth": str(truth), "depth_topic": depth_topic},
        pictures=[picture for outcome in matched for picture in outcome.pictures],
    )


class _Scorer:
    """Reads truth and answers side by side, in the order of their stamps."""

    def __init__(
        self,
        answers: BagFile,
        truths: BagFile,
        depth_topic: str,
        image_topic: str | None,
        method: str,
        folder: Path | None,
    ) -> None:
        beside = depth_topic.rpartition("/")[0]
        self._truths, self._folder, self._method = truths, folder, method
        self._name = truths.path.resolve().stem
        self._depths = _ByStamp(answers, depth_topic)
        self._sigmas = _ByStamp(answers, f"{beside}/sigma")
        self._sources = _ByStamp(answers, f"{beside}/source")
        self._images = _ByStamp(truths, image_topic)

    def score(self, truth_topic: str, chosen: list[int]) -> Iterator[Outcome]:
        """Yield an outcome per truth image; those whose number is in `chosen` are drawn."""
        for number, message in enumerate(_messages(self._truths, truth_topic)):
            stamp = stamp_ns(message.header.stamp)
            try:
                found = self._found(stamp)
                case = None if found is None else self._case(stamp, decode_depth(message), found)
            except DepthRosError as error:
                yield Outcome([], [], f"{self._name}/{stamp}: {error}")
                continue
            if found is None or case is None:
                yield Outcome([], [])
                continue
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

    def _case(self, stamp: int, truth: Depth, found: Estimate) -> Case:
        depth, source, image = found.depth, self._sources.at(stamp), self._images.at(stamp)
        # Without a source image every known pixel counts as given: coverage is then where depth was recorded.
        given = np.isfinite(depth) if source is None else decode_array(source) == Source.MEASURED
        for name, array in (("its truth", truth), ("its sigma", found.sigma), ("its source", given)):
            if array.shape != depth.shape:
                raise EvaluationError(
                    f"depth is {depth.shape[::-1]}, {name} {array.shape[::-1]}: score the same camera"
                )
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
    """Yield the messages that can be read; a truth that cannot counts as missing, and so does a depth."""
    for recorded in bag.messages([topic]):
        with suppress(BagError):
            yield decode_recorded(recorded)


def _known(depth: Depth) -> Depth:
    return np.where(np.isfinite(depth), depth, np.float32(np.nan))
