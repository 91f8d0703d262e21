"""Training state of one cell: data order, learning-rate schedule, AdamW, log and checkpoint.

All randomness (order, dropout) follows from the seed and the step. A training that was saved and resumed, alone
or together with other cells, therefore ends with the same weights as one that was never interrupted.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from littlehuman import seeding
from littlehuman.errors import DataError
from littlehuman.schema import TrainingConfig
from littlehuman.training import parent
from littlehuman.training.encoding import EncodedRow

LogRow = dict[str, float]
LOG = "train.jsonl"
CHECKPOINT = "training.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq")  # AdamW's, by torch's names


class TrainState:
    """State of one cell's training.

    Attributes:
        params, grads: while attached, the cell's row of the `MultiLora`: float32 [parameters of one adapter].
        step, total_steps: optimiser steps made, and to make.
        log_rows: one row per step made, as far as `flush_log` has read them.
        moments, updates: while attached, AdamW's state: float32 [parameters of one adapter] each, and the steps made.

    Raises:
        DataError: when a folder stands in place of the checkpoint; here, where it is an error of this cell alone.
    """

    def __init__(
        self, rows: Sequence[EncodedRow], tuning: TrainingConfig, seed: int, folder: Path, fingerprint: str
    ) -> None:
        self.rows, self.tuning, self.seed, self.folder = list(rows), tuning, seed, folder
        if (file := folder / CHECKPOINT).is_dir():
            raise DataError(
                f"{file}: is a folder, and the training is to be saved there\nTry: rm -r {shlex.quote(str(file))}"
            )
        self.batch_size = int(tuning.batch_size or 1)
        self.steps_per_epoch = math.ceil(len(self.rows) / self.batch_size)
        self.total_steps = self.steps_per_epoch * int(tuning.epochs or 0)
        # Compared with that of a checkpoint, so that only the same training is resumed. Its input must not change.
        self.fingerprint = seeding.number(
            seed, "a saved training", fingerprint, len(self.rows), self.total_steps, repr(tuning)
        )
        self.dropout_seed = seeding.number(seed, "dropout")
        self.step = 0
        self.log_rows: list[LogRow] = []
        self._unread: list[tuple[LogRow, torch.Tensor, torch.Tensor]] = []  # steps whose values are on the device
        self._epoch_order: dict[int, list[EncodedRow]] = {}  # of the current epoch only
        self._detached: dict[str, torch.Tensor] = {}

    @property
    def is_done(self) -> bool:
        """Whether all steps are made."""
        return self.step >= self.total_steps

    @property
    def max_length(self) -> int:
        """Tokens of the longest row."""
        return max((len(row.input_ids) for row in self.rows), default=0)

    def attach(self, params: torch.Tensor, grads: torch.Tensor, *, write_log: bool = True) -> None:
        """Start to train `params`, from where this state was detached or saved, else from the values they have.

        Args:
            params: the cell's row of a `MultiLora`, float32 [parameters of one adapter].
            grads: its gradients, of the same shape.
            write_log: whether this process writes `train.jsonl`.
        """
        saved = self._detached or self._load_checkpoint(params)
        self.params, self.grads, self.write_log = params, grads, write_log
        if saved:
            params.copy_(saved["values"])
        # Moments are allocated here: out of memory in the middle of the first update could not be undone.
        self.moments = {name: saved[name].to(params.device) if saved else torch.zeros_like(params) for name in MOMENTS}
        self.updates = torch.tensor(float(self.step), device=params.device)
        self._detached = {}
        if write_log:
            parent.require()
            (self.folder / LOG).write_text("".join(json.dumps(row) + "\n" for row in self.log_rows), encoding="utf-8")

    def next_batch(self) -> list[EncodedRow]:
        """The next global batch. Each epoch has its own order; its last batch may be smaller."""
        epoch, number = divmod(self.step, self.steps_per_epoch)
        if number == 0 or epoch not in self._epoch_order:
            order = list(self.rows)
            seeding.rng(self.seed, "training order", epoch).shuffle(order)
            self._epoch_order = {epoch: order}
        return self._epoch_order[epoch][number * self.batch_size : (number + 1) * self.batch_size]

    def learning_rate(self) -> float:
        """The learning rate of the next step: linear warm-up, then linear decay to 0."""
        peak, warmup = float(self.tuning.learning_rate or 0), self._warmup_steps
        if self.step < warmup:
            return peak * ((self.step + 1) / (warmup + 1))
        return peak * max(0.0, (self.total_steps - self.step) / max(1, self.total_steps - warmup))

    @property
    def _warmup_steps(self) -> int:
        return math.ceil(self.total_steps * float(self.tuning.warmup_ratio or 0))

    def log_step(self, loss: torch.Tensor, norm: torch.Tensor) -> None:
        """Count the update that was made, and keep its loss and gradient norm, float32 [], for `flush_log`."""
        self._unread.append(({"step": self.step + 1, "lr": self.learning_rate()}, loss, norm))
        self.step += 1

    def flush_log(self, speed: Callable[[], float]) -> int:
        """Log the updates since the last call, and say how many; `speed`: tokens a second of all cells, asked last."""
        if not self._unread:
            return 0
        values = torch.stack([value for _, *pair in self._unread for value in pair]).view(-1, 2).tolist()
        rate = speed()
        rows = [
            {"step": row["step"], "loss": loss, "lr": row["lr"], "grad_norm": norm, "tokens_per_s": rate}
            for (row, *_), (loss, norm) in zip(self._unread, values, strict=True)
        ]
        self._unread.clear()
        self.log_rows += rows
        if self.write_log:
            parent.require()
            with (self.folder / LOG).open("a", encoding="utf-8") as handle:
                handle.write("".join(json.dumps(row) + "\n" for row in rows))
        return len(rows)

    def detach(self) -> None:
        """Copy parameters and moments to the CPU and release the `MultiLora`; `attach` continues from the copy."""
        if self.step and not self._detached:  # else it was never attached
            self._detached = self._tensors()
        self.release()

    def release(self) -> None:
        """Drop all references to the `MultiLora`, without a copy."""
        for name in ("params", "grads", "moments", "updates"):
            self.__dict__.pop(name, None)

    def checkpoint(self) -> Callable[[], None]:
        """Copy parameters, moments, step and log; the function that saves them, atomically, wherever it is called."""
        tensors, draft = self._tensors(), self.folder / f".{CHECKPOINT}"
        metadata = {"step": str(self.step), "fingerprint": str(self.fingerprint), "rows": json.dumps(self.log_rows)}

        def save() -> None:
            from safetensors.torch import save_file

            parent.require()
            save_file(tensors, draft, metadata=metadata)
            draft.replace(self.folder / CHECKPOINT)

        return save

    def delete_checkpoint(self) -> None:
        """Remove the checkpoint of a finished cell."""
        (self.folder / CHECKPOINT).unlink(missing_ok=True)

    def _tensors(self) -> dict[str, torch.Tensor]:
        """CPU copies of parameters ("values") and moments: float32 [parameters of one adapter] each."""
        state = {"values": self.params, **self.moments}
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def _load_checkpoint(self, params: torch.Tensor) -> dict[str, torch.Tensor]:
        """Tensors of this training's checkpoint, with step and log restored; empty when there is none."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.folder / CHECKPOINT, "pt") as saved:
                metadata = saved.metadata() or {}
                tensors = {name: saved.get_tensor(name) for name in ("values", *MOMENTS)}
            if metadata.get("fingerprint") != str(self.fingerprint) or tensors["values"].shape != params.shape:
                return {}  # a checkpoint of another training
            step, rows = int(metadata["step"]), json.loads(metadata["rows"])
        except (FileNotFoundError, SafetensorError, KeyError, ValueError, RecursionError):
            return {}
        self.step, self.log_rows = step, rows
        return tensors
