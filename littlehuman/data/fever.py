"""Reader of FEVER with gold evidence (hub `copenlu/fever_gold_evidence`): evidence is a list of sentences.

In, a row of the hub or of its jsonl files:
    {"id": "7", "claim": "Orla Venn wrote an opera.", "label": "REFUTES",
     "evidence": [["Orla_Venn", "0", "Orla Venn -LRB- born 1911 -RRB- was a glassblower ."]], ...}
Out: the same row with evidence "Orla Venn ( born 1911 ) was a glassblower .", one sentence a line, and its first page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from littlehuman.data.rows import Row, require
from littlehuman.data.source import Source
from littlehuman.errors import DataError

BRACKETS = {
    "-LRB-": "(",
    "-RRB-": ")",
    "-LSB-": "[",
    "-RSB-": "]",
    "-LCB-": "{",
    "-RCB-": "}",
    "-COLON-": ":",
}
_ESCAPED = re.compile("|".join(BRACKETS))


def read(source: Source, split: str) -> Iterator[Row]:
    """Rows with evidence as text, and brackets restored."""
    where = source.where(split)
    for row in source.rows(split):
        items = require(row, "evidence", where) or []
        sentences = [_sentence(item, where) for item in items]
        yield {
            **row,
            "claim": restore(str(require(row, "claim", where) or "")),
            "evidence": restore("\n".join(sentences)),
            "page": items[0][0] if items else None,
        }


def restore(text: str) -> str:
    """Replace the bracket escapes of the Penn Treebank tokenizer (-LRB-, ...) by brackets."""
    return _ESCAPED.sub(lambda match: BRACKETS[match[0]], text)


def _sentence(item: Any, where: str) -> str:
    if not isinstance(item, list | tuple) or len(item) != 3:
        raise DataError(f"{where}: evidence must be a list of [page, line, sentence]; found {item!r:.80}")
    return str(item[2] or "").strip()
