"""Training state of one cell: data order, learning-rate schedule, AdamW, log and checkpoint.

All randomness (order, dropout) follows from the seed and the step. A training that was saved and resumed, alone
or together with other cells, therefore ends with the same weights as one that was never interrupted.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Sequence
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
        log_rows: one row per step made.

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
        self.params, self.write_log = params, write_log
        self.params.grad = grads
        tuning = self.tuning
        self.optimizer = torch.optim.AdamW(
            [params],
            lr=float(tuning.learning_rate or 0),
            weight_decay=float(tuning.weight_decay or 0),
            eps=1e-8,
            fused=True,
        )
        if saved:
            params.copy_(saved["values"])
        # Moments are allocated here: out of memory in the middle of the first update could not be undone.
        moments = {name: saved[name].to(params.device) if saved else torch.zeros_like(params) for name in MOMENTS}
        self.optimizer.state[params] = {"step": torch.tensor(float(self.step), device=params.device), **moments}
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

    def optimizer_step(self) -> torch.Tensor:
        """Clip the gradient and update the parameters; returns the norm before clipping, float32 []."""
        norm = torch.nn.utils.clip_grad_norm_([self.params], float(self.tuning.max_grad_norm or math.inf))
        self.optimizer.param_groups[0]["lr"] = self.learning_rate()
        self.optimizer.step()
        return norm

    def log_step(self, loss: float, norm: float, speed: float) -> None:
        """Log the update that was made and count it; `speed` is in tokens per second of all cells together."""
        row = {
            "step": self.step + 1,
            "loss": loss,
            "lr": self.learning_rate(),
            "grad_norm": norm,
            "tokens_per_s": speed,
        }
        self.log_rows.append(row)
        self.step += 1
        if self.write_log:
            parent.require()
            with (self.folder / LOG).open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(row) + "\n")

    def detach(self) -> None:
        """Copy parameters and moments to the CPU and release the `MultiLora`; `attach` continues from the copy."""
        if self.step and not self._detached:  # else it was never attached
            self._detached = self._tensors()
        self.release()

    def release(self) -> None:
        """Drop all references to the `MultiLora`, without a copy."""
        for name in ("params", "optimizer"):
            self.__dict__.pop(name, None)

    def save_checkpoint(self) -> None:
        """Save parameters, moments, step and log, atomically."""
        from safetensors.torch import save_file

        if not self.step:
            return
        parent.require()
        draft = self.folder / f".{CHECKPOINT}"
        save_file(
            self._tensors(),
            draft,
            metadata={"step": str(self.step), "fingerprint": str(self.fingerprint), "rows": json.dumps(self.log_rows)},
        )
        draft.replace(self.folder / CHECKPOINT)

    def delete_checkpoint(self) -> None:
        """Remove the checkpoint of a finished cell."""
        (self.folder / CHECKPOINT).unlink(missing_ok=True)

    def _tensors(self) -> dict[str, torch.Tensor]:
        """CPU copies of parameters ("values") and moments: float32 [parameters of one adapter] each."""
        moments = self.optimizer.state[self.params]
        state = {"values": self.params, **{name: moments[name] for name in MOMENTS}}
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
