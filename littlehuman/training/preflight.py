"""Preflight check: device and weights of a training, before the first twin is requested.

It raises the error that the training would have ended with, and loads no weights. `check_training` needs the config
alone, and costs a look into a folder or one request to the hub; torch is imported only for a GPU, for 4-bit weights or
for several processes. `check_cell` also needs the data: it reads the headers of the weights, and tokenises the rows
that may not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from littlehuman.errors import DataError, WeightsError
from littlehuman.models import weights
from littlehuman.records import Example
from littlehuman.schema import LaunchConfig, ModelConfig

if TYPE_CHECKING:
    from littlehuman.models.base_model import Base
    from littlehuman.training.encoding import EncodedRow, Encoder
    from littlehuman.training.types import Settings

_SPECIAL_TOKENS = 64  # more than any tokenizer adds to a row


def check_training(model: ModelConfig, launch: LaunchConfig) -> None:
    """Check that the device and the weights are available.

    Raises:
        ConfigError: for a device that does not exist, or fewer GPUs than `launch.processes`.
        WeightsError: when the weights are not available.
    """
    _check_device(model, launch)
    weights.check_weights(model.weights, model.revision)


def _check_device(model: ModelConfig, launch: LaunchConfig) -> None:
    asks_for_gpu = launch.device.startswith("cuda") or model.quantization is not None
    if not asks_for_gpu and (launch.device == "cpu" or launch.processes == 1):
        return
    from littlehuman.models import devices

    device = devices.device(launch.device, launch.processes - 1)
    if model.quantization is not None:
        devices.nf4_config(device)


def check_cell(
    settings: Settings, human: Sequence[Example], replaced: Sequence[Example], test: Sequence[Example]
) -> None:
    """Check that the weights can be loaded, have the layers that are trained, and can read the rows.

    Args:
        settings: of the cell.
        human: the training points that stay human.
        replaced: points that may get a twin, which keeps their evidence alone.
        test: the test points.

    Raises:
        WeightsError: when the weights cannot be loaded, or their tokenizer does not belong to them.
        ConfigError: when the model has no modules for `lora_targets`.
        DataError: for a row that cannot be tokenised, or is too long for the model even without its evidence.
    """
    from littlehuman.models.base_model import skeleton
    from littlehuman.training import adapters
    from littlehuman.training.trainer import build_encoder

    model, head = settings.model, settings.task.head
    base = skeleton(model, head, len(settings.classes))
    adapters.check_targets(base, head, settings.tuning, model)
    encoder = build_encoder(settings, base)
    test_encoder = replace(encoder, max_tokens=settings.test_max_tokens)
    twins = [replace(example, text="", targets=("",)) for example in replaced]
    for rows, reads, encode in (
        (human, encoder, encoder.encode_train),
        (twins, encoder, encoder.encode_prompt),
        (test, test_encoder, test_encoder.encode_prompt),
    ):
        for example in _doubtful(rows, reads):
            _check_row(example, encode, base, model)


def _doubtful(rows: Sequence[Example], encoder: Encoder) -> Iterator[Example]:
    """Rows that may be too long or no valid text, and the longest one, whose evidence may have to be cut."""
    room = encoder.max_positions
    for example in rows:
        try:
            size = sum(len(text.encode()) for text in (encoder.model_input, example.text, example.target))
            example.evidence.encode()
        except UnicodeEncodeError:
            yield example
            continue
        if room is not None and size + encoder.answer_tokens + _SPECIAL_TOKENS > room:  # a token has a byte at least
            yield example
    if rows:
        yield max(rows, key=lambda example: len(example.evidence) + len(example.text))


def _check_row(example: Example, encode: Callable[[Example], EncodedRow], base: Base, model: ModelConfig) -> None:
    try:
        row = encode(example)
    except DataError:
        raise
    except Exception as error:  # whatever a tokenizer raises about a text
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"{example.id}: cannot be tokenised: {reason}\nTry: mend or remove this row") from error
    known, highest = base.model.get_input_embeddings().num_embeddings, max(row.input_ids, default=0)
    if highest >= known:
        what = f"its tokenizer has a token {highest}, and the model knows {known}: they do not belong together"
        raise WeightsError(f"model.weights={model.weights}: {what}\nTry: a folder that save_pretrained wrote")
