"""The other side: transformers.Trainer, TRL's SFTTrainer, and generation row by row, on the same weights.

In: a job. Out: seconds. Rows are the same tokens in the same order, in batches of the same size;
LoRA is PEFT's with the same values. The base is in the job's precision. On a bfloat16 base PEFT keeps
adapters in float32 and computes them so; under autocast (`bf16=True`) it computes them in
bfloat16, which is what littlehuman does. Trainer is measured both ways, TRL under its default, which is autocast.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.jobs import Job, encoder, in_our_order, precision_of
from littlehuman.models import devices
from littlehuman.models.devices import silence_libraries
from littlehuman.models.weights import resolve
from littlehuman.records import Example
from littlehuman.schema import ALL_LINEAR
from littlehuman.training.encoding import EncodedRow
from littlehuman.training.predict import first_line

MAXIMUM, DYNAMIC = "max_length", "longest"  # names of transformers' `padding`


class Baseline:
    """A base of its own with a LoRA adapter; loading is outside every clock."""

    def __init__(self, job: Job) -> None:
        from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

        silence_libraries()
        self.job = job
        self.device = devices.device(job.config.launch.device)
        path = resolve(job.config.model.weights)
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.tokenizer.pad_token = self.tokenizer.pad_token or self.tokenizer.eos_token
        kind, more = (
            (AutoModelForCausalLM, {})
            if job.answers
            else (AutoModelForSequenceClassification, {"num_labels": len(job.classes)})
        )
        self.base = kind.from_pretrained(path, dtype=getattr(torch, precision_of(job)), **more).to(self.device)
        self.base.config.pad_token_id = self.tokenizer.pad_token_id
        self._of_trl: Any = None
        # TRL changes the forward of what it trains: it gets modules of its own around the same weights.
        self._base_of_trl = (
            copy.deepcopy(self.base, {id(p): p for p in self.base.parameters()}) if job.answers else None
        )
        self.reader = encoder(job, self.tokenizer, getattr(self.base.config, "type_vocab_size", 0) > 1)

    def lessons(self, examples: Sequence[Example]) -> list[EncodedRow]:
        return in_our_order([self.reader.encode_train(example, i) for i, example in enumerate(examples)])

    def wrapped(self, base: Any = None) -> Any:
        """The base, or another one, with a new adapter."""
        from peft import LoraConfig, TaskType, get_peft_model

        tuning, model = self.job.config.fine_tuning, self.job.config.model
        role = str(tuning.lora_targets)
        targets: Any = "all-linear" if role == ALL_LINEAR else model.lora_targets[role]
        lora = LoraConfig(
            task_type=TaskType.CAUSAL_LM if self.job.answers else TaskType.SEQ_CLS,
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
        """Seconds from the first step's begin to the last step's end of one epoch with `transformers.Trainer`."""
        from transformers import Trainer, TrainingArguments

        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(**self._arguments(folder), bf16=autocast, remove_unused_columns=False)
            trainer = Trainer(model, arguments, data_collator=self._collator(padding), train_dataset=_dicts(rows))
            return self._timed(trainer)

    def sft_seconds(self, rows: list[EncodedRow]) -> float:
        """The same with TRL's SFTTrainer, which pads each batch to its longest row; without its gradient checkpointing."""
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        if self._of_trl is None:
            self._of_trl = self.wrapped(self._base_of_trl)
        dataset = Dataset.from_list([{"input_ids": list(row.input_ids), "labels": list(row.labels)} for row in rows])
        with tempfile.TemporaryDirectory() as folder:
            arguments = SFTConfig(
                **self._arguments(folder), bf16=self.is_half, gradient_checkpointing=False, max_length=None
            )
            return self._timed(
                SFTTrainer(self._of_trl, arguments, train_dataset=dataset, processing_class=self.tokenizer)
            )

    def tested_seconds(self, adapter: Path, tested: Sequence[Example]) -> tuple[float, list[str]]:
        """Seconds and texts of predicting rows one by one with a saved adapter."""
        from peft import PeftModel

        rows = [self.reader.encode_prompt(example, i) for i, example in enumerate(tested)]
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
            if not self.job.answers:
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
            "warmup_steps": tuning.warmup_ratio,  # transformers 5: below 1 it is a share
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

        kind = DataCollatorForSeq2Seq if self.job.answers else DataCollatorWithPadding
        return kind(self.tokenizer, padding=padding, max_length=self.job.longest if padding == MAXIMUM else None)

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
    """Tokens that are computed, padding included: each batch as wide as its longest row, or as `longest`."""
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
