"""One cell's way through training: its order, its schedule, its optimiser, and how far it has come.

In: its lessons and training values, and its row of the stack. Out: an updated row, step by step.
All that is random in it (order, dropout) has a name made of seed and step, so a course that was
saved and taken up again, alone or among others, goes on as if nothing had happened.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch

from littlehuman import seeding
from littlehuman.schema import TrainingConfig
from littlehuman.training.encoding import EncodedRow

LogRow = dict[str, float]
LOG = "train.jsonl"
SAVED = "training.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq")  # torch's names


class TrainState:
    """`values` and `grads` are the cell's rows of its stack: float32 [numbers of one adapter]."""

    def __init__(
        self, lessons: Sequence[EncodedRow], tuning: TrainingConfig, seed: int, folder: Path, fingerprint: str
    ) -> None:
        self.lessons, self.tuning, self.seed, self.folder = list(lessons), tuning, seed, folder
        self.size = int(tuning.batch_size or 1)
        self.steps_an_epoch = math.ceil(len(self.lessons) / self.size)
        self.steps = self.steps_an_epoch * int(tuning.epochs or 0)
        self.fingerprint = seeding.number(
            seed, "a saved training", fingerprint, len(self.lessons), self.steps, repr(tuning)
        )
        self.dropout_seed = seeding.number(seed, "dropout")
        self.step = 0
        self.rows: list[LogRow] = []
        self._orders: dict[int, list[EncodedRow]] = {}  # the order of the epoch that is under way
        self._resting: dict[str, torch.Tensor] = {}

    @property
    def is_done(self) -> bool:
        """Whether all steps are made."""
        return self.step >= self.steps

    @property
    def longest(self) -> int:
        """Tokens of its longest row."""
        return max((len(row.ids) for row in self.lessons), default=0)

    def enrol(self, values: torch.Tensor, grads: torch.Tensor, *, writes: bool = True) -> None:
        """Take a row of a stack, and go on from where this course rested or was saved; `writes`: keep the log."""
        kept = self._resting = self._resting or self._saved(values)
        self.values, self.writes = values, writes
        self.values.grad = grads
        tuning = self.tuning
        self.optimizer = torch.optim.AdamW(
            [values],
            lr=float(tuning.learning_rate or 0),
            weight_decay=float(tuning.weight_decay or 0),
            eps=1e-8,
            fused=True,
        )
        if kept:
            values.copy_(kept["values"])
        # Moments are made here, not at the first update: memory that runs out in the middle of an update could not be mended.
        moments = {name: kept[name].to(values.device) if kept else torch.zeros_like(values) for name in MOMENTS}
        self.optimizer.state[values] = {"step": torch.tensor(float(self.step), device=values.device), **moments}
        self._resting = {}
        if writes:
            (self.folder / LOG).write_text("".join(json.dumps(row) + "\n" for row in self.rows), encoding="utf-8")

    def batch(self) -> list[EncodedRow]:
        """The next global batch: the seed's order, another one each epoch; the last of an epoch may be smaller."""
        epoch, place = divmod(self.step, self.steps_an_epoch)
        if place == 0 or epoch not in self._orders:
            order = list(self.lessons)
            seeding.rng(self.seed, "training order", epoch).shuffle(order)
            self._orders = {epoch: order}
        return self._orders[epoch][place * self.size : (place + 1) * self.size]

    def rate(self) -> float:
        """The learning rate of the next step: linear warm-up, then linearly down to 0."""
        warmup = math.ceil(self.steps * float(self.tuning.warmup_ratio or 0))
        rising, falling = (
            (self.step + 1) / (warmup + 1),
            max(0.0, (self.steps - self.step) / max(1, self.steps - warmup)),
        )
        return float(self.tuning.learning_rate or 0) * (rising if self.step < warmup else falling)

    def update(self) -> torch.Tensor:
        """Clip the gradient and make the optimiser's step; returns the norm before clipping: float32 []."""
        norm = torch.nn.utils.clip_grad_norm_([self.values], float(self.tuning.max_grad_norm or math.inf))
        self.optimizer.param_groups[0]["lr"] = self.rate()
        self.optimizer.step()
        return norm

    def note(self, loss: float, norm: float, speed: float) -> None:
        """Log the step that `update` made, and count it; `speed` is in tokens a second of all cells together."""
        row = {"step": self.step + 1, "loss": loss, "lr": self.rate(), "grad_norm": norm, "tokens_per_s": speed}
        self.rows.append(row)
        self.step += 1
        if self.writes:
            with (self.folder / LOG).open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(row) + "\n")

    def rest(self) -> None:
        """Leave the stack, to go on in another one: what was learnt waits on the CPU."""
        if self.step and not self._resting:  # else it never came in
            self._resting = self._on_cpu()
        self.leave()

    def leave(self) -> None:
        """Hold nothing of the stack any more."""
        for name in ("values", "optimizer"):
            self.__dict__.pop(name, None)

    def save(self) -> None:
        """Write down how far this course has come, whole or not at all."""
        from safetensors.torch import save_file

        if not self.step:
            return
        draft = self.folder / f".{SAVED}"
        save_file(
            self._on_cpu(),
            draft,
            metadata={"step": str(self.step), "fingerprint": str(self.fingerprint), "rows": json.dumps(self.rows)},
        )
        draft.replace(self.folder / SAVED)

    def forget(self) -> None:
        """The cell is finished: nothing is to be taken up again."""
        (self.folder / SAVED).unlink(missing_ok=True)

    def _on_cpu(self) -> dict[str, torch.Tensor]:
        """Copies of numbers and moments: float32 [numbers of one adapter] each."""
        moments = self.optimizer.state[self.values]
        state = {"values": self.values, **{name: moments[name] for name in MOMENTS}}
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def _saved(self, values: torch.Tensor) -> dict[str, torch.Tensor]:
        """What was saved of this very training, or nothing; then step and log stand where they stood."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.folder / SAVED, "pt") as saved:
                told = saved.metadata() or {}
                tensors = {name: saved.get_tensor(name) for name in ("values", *MOMENTS)}
        except (FileNotFoundError, SafetensorError):
            return {}
        if told.get("fingerprint") != str(self.fingerprint) or tensors["values"].shape != values.shape:
            return {}  # another training lay here before
        self.step, self.rows = int(told["step"]), json.loads(told["rows"])
        return tensors
