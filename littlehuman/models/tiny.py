"""Tiny random models (`random:llama`, `random:bert`): tests and dry runs execute the real code in seconds.

They are folders in Hugging Face layout in the cache, with the same bytes each time. Their scores mean nothing.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from littlehuman.errors import WeightsError, did_you_mean
from littlehuman.store import cache_root, locked, packaged, write_json

VERSION = 2
KINDS = ("llama", "bert")
SPECIAL = {
    "pad_token": "<pad>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "[SEP]",
    "cls_token": "[CLS]",
}
CHAT_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def check_kind(kind: str, key: str = "model.weights") -> None:
    """Check that there is such a kind.

    Raises:
        WeightsError: naming the kinds.
    """
    if kind not in KINDS:
        raise WeightsError(f"{key}=random:{kind}: {did_you_mean(kind, KINDS)}")


def tiny_model(kind: str, key: str = "model.weights") -> Path:
    """The folder of a two-layer model of `kind`, created when absent.

    Raises:
        WeightsError: for an unknown kind.
    """
    check_kind(kind, key)
    folder = cache_root() / "weights" / f"random-{kind}-v{VERSION}"
    if (folder / "manifest.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f"{folder.name}.lock")):
        if not (folder / "manifest.json").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            tokenizer = _tokenizer(pair=kind == "bert")
            tokenizer.save_pretrained(folder)
            _model(kind, tokenizer).save_pretrained(folder)
            write_json(folder / "manifest.json", {"kind": kind, "version": VERSION})
    return folder


def _tokenizer(*, pair: bool) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = list(SPECIAL.values())
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=special,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    core.train_from_iterator(_texts(), trainer)
    if pair:
        ids = [(name, core.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
        core.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
        )
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if pair else ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=core, model_max_length=2048, model_input_names=inputs, chat_template=CHAT_TEMPLATE, **SPECIAL
    )


def _texts() -> list[str]:
    with packaged("package:fieldnotes/passages.jsonl").open(encoding="utf-8") as handle:
        return [json.loads(line)["passage"] for _, line in zip(range(40), handle, strict=False)]


def _model(kind: str, tokenizer: Any) -> Any:
    import torch
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM

    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "bert":
            return BertModel(BertConfig(**sizes, max_position_embeddings=2048, pad_token_id=tokenizer.pad_token_id))
        ends = {
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        }
        return LlamaForCausalLM(LlamaConfig(**sizes, num_key_value_heads=2, max_position_embeddings=2048, **ends))
