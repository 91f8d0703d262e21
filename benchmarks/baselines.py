"""Baselines: transformers.Trainer, TRL's SFTTrainer, and generation row by row, on the same weights.

Rows are the same tokens in the same order, in batches of the same size; LoRA is PEFT's with the same values; the base
is in the job's precision. On a bfloat16 base PEFT keeps adapters in float32 and computes them so; under autocast
(`bf16=True`) it computes them in bfloat16, as littlehuman does. Trainer is measured both ways, TRL under its default,
which is autocast.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.jobs import Job, encoder, in_training_order, precision_of
from littlehuman.models import devices
from littlehuman.models.devices import silence_libraries
from littlehuman.models.weights import resolve
from littlehuman.records import Example
from littlehuman.schema import ALL_LINEAR
from littlehuman.training.encoding import EncodedRow
from littlehuman.training.predict import first_line

MAXIMUM, DYNAMIC = "max_length", "longest"  # names of transformers' `padding`


class Baseline:
    """A base with a LoRA adapter, loaded outside every clock."""

    def __init__(self, job: Job) -> None:
        from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

        silence_libraries()
        self.job = job
        self.device = devices.device(job.config.launch.device)
        path = resolve(job.config.model.weights)
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.tokenizer.pad_token = self.tokenizer.pad_token or self.tokenizer.eos_token
        model_class = AutoModelForCausalLM if job.is_generation else AutoModelForSequenceClassification
        options = {} if job.is_generation else {"num_labels": len(job.classes)}
        dtype = getattr(torch, precision_of(job))
        self.base = model_class.from_pretrained(path, dtype=dtype, **options).to(self.device)
        self.base.config.pad_token_id = self.tokenizer.pad_token_id
        self._trl_model: Any = None
        # TRL changes the forward of its model: it gets its own modules around the same weights.
        self._trl_base = (
            copy.deepcopy(self.base, {id(p): p for p in self.base.parameters()}) if job.is_generation else None
        )
        self.encoder = encoder(job, self.tokenizer, getattr(self.base.config, "type_vocab_size", 0) > 1)

    def train_rows(self, examples: Sequence[Example]) -> list[EncodedRow]:
        return in_training_order([self.encoder.encode_train(example, i) for i, example in enumerate(examples)])

    def with_adapter(self, base: Any = None) -> Any:
        """The base (or another one) with a new adapter."""
        from peft import LoraConfig, TaskType, get_peft_model

        tuning, model = self.job.config.fine_tuning, self.job.config.model
        role = str(tuning.lora_targets)
        targets: Any = "all-linear" if role == ALL_LINEAR else model.lora_targets[role]
        lora = LoraConfig(
            task_type=TaskType.CAUSAL_LM if self.job.is_generation else TaskType.SEQ_CLS,
            r=tuning.lora_r,
            lora_alpha=tuning.lora_alpha,
            lora_dropout=tuning.lora_dropout,
            target_modules=targets if role == ALL_LINEAR or "*" in targets else targets.split(),
        )
        return get_peft_model(base or self.base, lora)

    @property
    def is_half(self) -> bool:
        """Whether autocast would change anything."""
        return bool(self.base.dtype == torch.bfloat16)

    def train_seconds(self, model: Any, rows: list[EncodedRow], padding: str, *, autocast: bool = False) -> float:
        """Seconds of one epoch with `transformers.Trainer`, from the start of the first step to the end of training."""
        from transformers import Trainer, TrainingArguments

        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(**self._arguments(folder), bf16=autocast, remove_unused_columns=False)
            trainer = Trainer(model, arguments, data_collator=self._collator(padding), train_dataset=_dicts(rows))
            return self._timed(trainer)

    def sft_seconds(self, rows: list[EncodedRow]) -> float:
        """The same with TRL's SFTTrainer, which pads each batch to its longest row; without gradient checkpointing."""
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        if self._trl_model is None:
            self._trl_model = self.with_adapter(self._trl_base)
        dataset = Dataset.from_list([{"input_ids": list(row.input_ids), "labels": list(row.labels)} for row in rows])
        with tempfile.TemporaryDirectory() as folder:
            arguments = SFTConfig(
                **self._arguments(folder), bf16=self.is_half, gradient_checkpointing=False, max_length=None
            )
            return self._timed(
                SFTTrainer(self._trl_model, arguments, train_dataset=dataset, processing_class=self.tokenizer)
            )

    def predict_one_by_one(self, adapter: Path, examples: Sequence[Example]) -> tuple[float, list[str]]:
        """Seconds and texts of predicting examples one by one with a saved adapter."""
        from peft import PeftModel

        rows = [self.encoder.encode_prompt(example, i) for i, example in enumerate(examples)]
        model = PeftModel.from_pretrained(self.base, adapter).eval()
        model.config.use_cache = True
        started = self.now()
        texts = [self._predicted(model, row) for row in rows]
        seconds = self.now() - started
        model.unload()
        return seconds, texts

    def _predicted(self, model: Any, row: EncodedRow) -> str:
        tensors = {
            "input_ids": row.input_ids,
            "attention_mask": (1,) * len(row.input_ids),
            **({"token_type_ids": row.token_type_ids} if row.token_type_ids else {}),
        }
        inputs = {name: torch.tensor([values], device=self.device) for name, values in tensors.items()}
        with torch.inference_mode():
            if not self.job.is_generation:
                return self.job.classes[int(model(**inputs).logits[0].argmax())]
            longest = self.job.config.answer_tokens_for(self.job.config.dataset)
            pad, end = self.tokenizer.pad_token_id, self.tokenizer.eos_token_id
            out = model.generate(**inputs, max_new_tokens=longest, do_sample=False, pad_token_id=pad, eos_token_id=end)
        return first_line(self.tokenizer.decode(out[0, len(row.input_ids) :], skip_special_tokens=True))

    def _arguments(self, folder: str) -> dict[str, Any]:
        tuning = self.job.config.fine_tuning
        return {
            "output_dir": folder,
            "per_device_train_batch_size": self.job.batch_size,
            "num_train_epochs": 1,
            "learning_rate": tuning.learning_rate,
            "weight_decay": tuning.weight_decay,
            "max_grad_norm": tuning.max_grad_norm,
            "lr_scheduler_type": "linear",
            "warmup_steps": tuning.warmup_ratio,  # in transformers 5 a value below 1 is a share
            "train_sampling_strategy": "sequential",
            "use_cpu": self.device.type == "cpu",
            "dataloader_pin_memory": self.device.type == "cuda",
            "logging_strategy": "no",
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
        }

    def _collator(self, padding: str) -> Any:
        from transformers import DataCollatorForSeq2Seq, DataCollatorWithPadding

        kind = DataCollatorForSeq2Seq if self.job.is_generation else DataCollatorWithPadding
        return kind(self.tokenizer, padding=padding, max_length=self.job.max_length if padding == MAXIMUM else None)

    def _timed(self, trainer: Any) -> float:
        from transformers import PrinterCallback, TrainerCallback

        now = self.now

        class Clock(TrainerCallback):  # type: ignore[misc]
            started = ended = 0.0

            def on_step_begin(self, *_: Any, **__: Any) -> None:
                self.started = self.started or now()

            def on_train_end(self, *_: Any, **__: Any) -> None:
                self.ended = now()

        clock = Clock()
        trainer.add_callback(clock)
        trainer.remove_callback(PrinterCallback)
        self.loss = float(trainer.train().training_loss)
        return clock.ended - clock.started

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def padded_tokens(rows: list[EncodedRow], batch: int, longest: int = 0) -> int:
    """Tokens with padding: each batch is as wide as its longest row, or as `longest`."""
    groups = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    return sum(len(group) * max(longest, *(len(row.input_ids) for row in group)) for group in groups)


def _dicts(rows: list[EncodedRow]) -> list[dict[str, Any]]:
    return [
        {
            "input_ids": list(row.input_ids),
            "attention_mask": [1] * len(row.input_ids),
            "labels": list(row.labels) if len(row.labels) > 1 else row.labels[0],
        }
        | ({"token_type_ids": list(row.token_type_ids)} if row.token_type_ids else {})
        for row in rows
    ]
