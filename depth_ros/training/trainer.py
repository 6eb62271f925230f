"""The training loop: draw, forward, loss, step, average; log, validate, save; stop and resume without a trace."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from depth_ros.errors import TrainingError
from depth_ros.training import checkpoint
from depth_ros.training.config import CONFIG, RunConfig, write_config
from depth_ros.training.ema import Ema, swapped
from depth_ros.training.feed import Feed, Samples
from depth_ros.training.image_augment import blend_other, jitter_colour
from depth_ros.training.logs import RunLog, Tell
from depth_ros.training.machine import can_compile, compiles_right, hardware, make_optimizer
from depth_ros.training.processes import Processes, stop_on_signal
from depth_ros.training.schedule import DrawOrder, batches, learning_rate

if TYPE_CHECKING:
    from depth_ros.training.validate import Validation

Loss = Callable[..., tuple[Tensor, dict[str, Tensor]]]
"""Takes what the network gives, float32, then the batch and the progress; see `losses.completion_loss`."""
_CHECKED = 4
"""Samples on which the compiled gradients are compared: a whole batch in float32 may not fit a GPU."""
COMPLETION_INPUTS = ("image", "sparse_depth", "prior_depth", "intrinsics")


class Validator(Protocol):
    """Scores a network in evaluation mode."""

    def __call__(self, network: nn.Module, device: torch.device) -> Validation:
        """Return the scores and pictures of `network`."""


class Trainer:
    """One run in one folder.

    samples: the pool. inputs: what of a batch the network takes. tell: takes each line of progress. Raises
    TrainingError when `out` holds another run and `resume` is not asked for, or a state that does not fit.
    """

    def __init__(
        self,
        config: RunConfig,
        network: nn.Module,
        loss: Loss,
        samples: Samples,
        validator: Validator | None,
        out: Path,
        *,
        processes: Processes,
        inputs: Sequence[str] = COMPLETION_INPUTS,
        resume: bool = False,
        tell: Tell,
    ) -> None:
        self.config, self._samples, self._validator = config, samples, validator
        self._inputs = inputs
        self._processes, self._tell = processes, tell if processes.first else _silence
        self.out, self.device = out, processes.device
        if config.threads:
            torch.set_num_threads(config.threads)
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.network = network.to(self.device).to(memory_format=layout)  # type: ignore[call-overload]
        self.optimizer = make_optimizer(self.network, config)
        self.ema = Ema(self.network, config.ema_decay)
        self.step, self.drawn, self.best, self.seconds = 0, 0, math.inf, 0.0
        self.validated = 0
        self._start(resume)
        compiles = config.compile and not processes.any(not self._can_compile())
        self._forward = processes.wrap(cast(nn.Module, torch.compile(self.network)) if compiles else self.network)
        self._loss = torch.compile(loss) if compiles else loss
        self._feed = Feed(samples, config.data_workers, self.device)
        self._pending: list[dict[str, Tensor]] = []

    def run(self) -> bool:
        """Train to the end of the schedule, or until SIGTERM or Ctrl-C; return whether the end was reached."""
        log = RunLog(self.out, self.step, self._tell) if self._processes.first else None
        with stop_on_signal() as stop:
            if log is not None:
                self._validate_if_due(log)  # a kill may have come while it was validated
            while self.step < self.config.steps and not self._processes.any(bool(stop)):
                self._round(log, stop)
                if log is not None:
                    self._save(log)
        if log is not None:
            log.close()
        return self.step >= self.config.steps

    def _start(self, resume: bool) -> None:
        path = self.out / checkpoint.STATE
        if not resume and path.exists():
            raise TrainingError(f"{self.out}: holds a run: go on with --resume, or give another --out")
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            write_config(self.config, self.out / CONFIG)
        except OSError as error:
            raise TrainingError(f"{self.out}: cannot be the folder of a run: {error}") from None
        if resume and path.exists():
            state = checkpoint.RunState(self.network, self.ema.state, self.optimizer)
            facts = checkpoint.load_state(path, state)
            self.step, self.drawn, self.seconds = facts["step"], facts["samples"], facts["seconds"]
            self.validated = facts.get("validated", self.step)
            kept = facts["best"] is not None and (self.out / checkpoint.BEST).exists()
            self.best = facts["best"] if kept else math.inf
            self._tell(f"{path}: goes on at step {self.step} of {self.config.steps}")
            self._tell_changes(facts["config"])

    def _tell_changes(self, before: dict[str, object]) -> None:
        changes = [
            f"{name} {before[name]} -> {value}"
            for name, value in asdict(self.config).items()
            if name in before and before[name] != value
        ]
        if changes:
            self._tell(f"settings that are not those of the steps before: {', '.join(changes)}")

    def _can_compile(self) -> bool:
        if not can_compile(self.device):
            return False
        few = min(_CHECKED, self.config.batch, len(self._samples))
        batch = default_collate([self._samples[(place, 0)] for place in range(few)])
        inputs = [batch[name].to(self.device) for name in self._inputs]
        return compiles_right(self.network, inputs, bf16=self.config.bf16)

    def _round(self, log: RunLog | None, stop: list[int]) -> None:
        """Train up to the next save, or to the next step after a signal."""
        config, processes = self.config, self._processes
        self._samples.refresh()
        order = DrawOrder(len(self._samples), config.seed)
        until = min(config.steps, _next(self.step, config.checkpoint_every), _next(self.step, config.validate_every))
        draws = list(batches(order, self.drawn, until - self.step, config.batch, processes.rank, processes.world))
        self.network.train()
        mark, first_step, before = perf_counter(), self.step, self.seconds
        for batch in self._feed.batches(draws):
            self._pending.append(self._train_step(batch))
            self.step += 1
            self.drawn += config.batch * processes.world
            self.seconds = before + perf_counter() - mark
            stopped = processes.any_at(self.step, bool(stop))
            if self.step % config.log_every == 0 or self.step == until or stopped:
                self._report(log, (self.step - first_step) / (perf_counter() - mark))
            if stopped:
                break

    def _train_step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        config = self.config
        # Whatever is random is a function of seed, step and process: nothing else needs to be saved.
        random = torch.manual_seed((config.seed << 32) + self.step * self._processes.world + self._processes.rank)
        image = blend_other(batch["image"], config.image_blend, random)
        image = jitter_colour(image, config.image_jitter, random)
        rate = learning_rate(self.step, config.steps, config.warm_up, config.lr)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
            answer = self._forward(*({**batch, "image": image}[name] for name in self._inputs))
        progress = torch.tensor(self.step / config.steps)  # not a float: each new one would be compiled anew
        loss, parts = self._loss(*(part.float() for part in answer), batch, progress)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm or math.inf)
        self.optimizer.step()
        self.ema.update(self.network, self.step)
        return {"loss": loss.detach(), **{name: part.detach() for name, part in parts.items()}, "grad_norm": norm}

    def _report(self, log: RunLog | None, steps_per_second: float) -> None:
        """Write the means since the last report; raises TrainingError when a loss is not finite."""
        names = list(self._pending[0])
        table = torch.stack([torch.stack([step[name].float() for name in names]) for step in self._pending])
        bad = (~table[:, [names.index("loss"), names.index("grad_norm")]].isfinite()).any(dim=1).nonzero()
        if len(bad):
            step = self.step - len(self._pending) + int(bad[0])
            raise TrainingError(
                f"loss or gradient is not finite at step {step}: the last good state is kept in {self.out}; "
                "lower lr or set bf16=false, then --resume"
            )
        self._pending.clear()
        means = dict(zip(names, table.mean(dim=0).tolist(), strict=True))
        rate = steps_per_second * self.config.batch * self._processes.world
        left = (self.config.steps - self.step) / steps_per_second
        losses = "  ".join(f"{name} {value:.4g}" for name, value in means.items())
        line = f"step {self.step}/{self.config.steps}  {rate:.1f} samples/s  {_clock(left)} left  {losses}"
        lr = self.optimizer.param_groups[0]["lr"]
        row = {"step": self.step, "samples": self.drawn, "seconds": self.seconds, "samples_per_second": rate, "lr": lr}
        if log is not None:
            log.train(line, {**row, **means})

    def _save(self, log: RunLog) -> None:
        checkpoint.save_tensors(self.out / checkpoint.LAST, self.ema.state, self._facts())
        self._save_state()
        self._validate_if_due(log)

    def _save_state(self) -> None:
        state = checkpoint.RunState(self.network, self.ema.state, self.optimizer)
        checkpoint.save_state(self.out / checkpoint.STATE, state, self._facts())

    def _validate_if_due(self, log: RunLog) -> None:
        due = self.step % self.config.validate_every == 0 or self.step == self.config.steps
        if due and self.step != self.validated and self._validator is not None:
            self._validate(self._validator, log)

    def _validate(self, validator: Validator, log: RunLog) -> None:
        with swapped(self.network, self.ema.state):
            found = validator(self.network, self.device)
        for row in found.rows:
            log.validation({"step": self.step, "samples": self.drawn, **row})
        log.pictures(found.pictures, self.step)
        better = found.score < self.best
        log.tell(f"  score {found.score:.4f}{' (the best so far)' if better else ''}")
        if better:
            self.best = found.score
            checkpoint.save_tensors(self.out / checkpoint.BEST, self.ema.state, self._facts())
        self.validated = self.step
        self._save_state()

    def _facts(self) -> checkpoint.Facts:
        return {
            "step": self.step,
            "samples": self.drawn,
            "seconds": round(self.seconds, 1),
            "best": None if math.isinf(self.best) else self.best,
            "validated": self.validated,
            "config": asdict(self.config),
            "hardware": hardware(self.device, self._processes.world),
            "torch": torch.__version__,
        }


def _next(step: int, every: int) -> int:
    return (step // every + 1) * every


def _clock(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60}:{minutes % 60:02d} h"


def _silence(_: str) -> None:
    pass
