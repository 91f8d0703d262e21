"""A random two-layer Llama as a GGUF file: bytes are its tokens, and it takes milliseconds to load."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

CONTEXT = 2048
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}</s>\n{% endfor %}assistant: "
_LAYERS, _HEADS, _HIDDEN, _INNER = 2, 4, 64, 96


def write(path: Path) -> Path:
    """Write the file; the same one each time."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(_HIDDEN)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_HIDDEN // _HEADS)
    _tokenizer(writer)
    _weights(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tokenizer(writer: gguf.GGUFWriter) -> None:
    kinds = gguf.TokenType
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(names)
    writer.add_token_scores([0.0] * len(names))
    writer.add_token_types([kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, *[kinds.BYTE] * 256])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)


def _weights(writer: gguf.GGUFWriter) -> None:
    rng, vocabulary = np.random.default_rng(0), 259
    shapes = {"token_embd": (vocabulary, _HIDDEN), "output": (vocabulary, _HIDDEN)}
    for layer in range(_LAYERS):
        shapes |= {f"blk.{layer}.attn_{part}": (_HIDDEN, _HIDDEN) for part in ("q", "k", "v", "output")}
        shapes |= {f"blk.{layer}.ffn_{part}": (_INNER, _HIDDEN) for part in ("gate", "up")}
        shapes |= {f"blk.{layer}.ffn_down": (_HIDDEN, _INNER)}
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(_HIDDEN, np.float32))
    writer.add_tensor("output_norm.weight", np.ones(_HIDDEN, np.float32))
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(0, 0.2, shape).astype(np.float32))
