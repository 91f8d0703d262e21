"""The folder of a writer: PEFT's files in `adapter/`, and `writer.json`, written last.

`writer.json` names the base weights and their mark, the digest of the adapter, its hyperparameters, and every human
point that the writer saw, as target or in a prompt, by id and by a hash of its words: so a cell can count them, and
refuse a writer that saw its test points.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from littlehuman.config.run_config import RunConfig
from littlehuman.config.writers import missing, tune_command
from littlehuman.errors import ConfigError, DataError, Problem, WeightsError
from littlehuman.mixture.text_matching import normal
from littlehuman.records import Dataset, Example
from littlehuman.schema import RoundConfig, adapter
from littlehuman.store import digest


@dataclass(frozen=True, slots=True)
class Writer:
    """A tuned prompt model; without a folder, the prompt model as it is."""

    folder: Path | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def human_ids(self) -> frozenset[str]:
        """Ids of the human points that it saw."""
        return frozenset(self.info.get("human", ()))

    def on(self, config: RunConfig) -> RunConfig:
        """The cell with requests to this writer, for `twins.write`: which round it is of does not matter there."""
        named = adapter.resolved(self.folder, str(self.info["digest"])) if self.folder else None
        model = replace(config.prompt_model, adapter=named)
        return replace(config, prompt_model=model, generation=RoundConfig())

    def result_entry(self) -> dict[str, Any]:
        """What the result of a cell says of its writer; empty without one."""
        if not self.folder:
            return {}
        kept = {name: self.info.get(name) for name in ("digest", "weights", "points", "synthetic", "tuning", "steps")}
        return {"writer": {**kept, "human": len(self.human_ids), "final_loss": self.info.get("final_loss")}}


def words_digest(example: Example) -> str:
    """Hash of a point's evidence and text, whatever case and punctuation."""
    return digest([normal(example.evidence), normal(example.text)])


def train_fingerprint(dataset: Dataset) -> str:
    """Hash of the training points alone: equal for cells with other test points."""
    return digest([[e.id, e.evidence, e.text, *e.targets] for e in dataset.train])


def given(config: RunConfig, dataset: Dataset, test: Sequence[Example]) -> Writer:
    """The writer that `prompt_model.adapter` names, checked against its base and the cell's test points.

    Raises:
        ConfigError: when there is none, or it was tuned on other weights.
        WeightsError: when its base is gone, or its weights are not those that were tuned.
        DataError: when it saw test points.
    """
    name = str(config.prompt_model.adapter)
    folder = adapter.find(name, config.study)
    if folder is None:
        raise missing(config)
    writer = Writer(folder.absolute(), adapter.info(folder))
    _check_base(writer, config)
    if adapter.digest_of_files(folder) != writer.info["digest"]:
        again = f"rm -r {shlex.quote(str(folder))} && {tune_command(config)}"
        raise WeightsError(f"prompt_model.adapter={name}: its weights are not those that were tuned\nTry: {again}")
    if writer.info.get("train") != train_fingerprint(dataset):
        _check_unseen(writer, test, config)
        foreign = {f"{writer.info.get('dataset')}: {i}": words for i, words in writer.info["human"].items()}
        return replace(writer, info={**writer.info, "human": foreign})
    return writer


def _check_base(writer: Writer, config: RunConfig) -> None:
    from littlehuman.models.weight_marks import mark

    model, name = config.prompt_model, config.prompt_model.adapter
    try:
        found = mark(str(model.weights), model.revision, "prompt_model.weights")
    except WeightsError as error:
        what = f"prompt_model.adapter={name}: the base that it was tuned on is gone: {error.one_line}"
        mend = f"put {writer.info.get('weights')} back, or {tune_command(config)}"
        raise WeightsError(f"{what}\nTry: {mend}") from error
    if found != writer.info.get("base"):
        tuned = writer.info.get("weights")
        other = f"prompt_model.weights={tuned}" if tuned != model.weights else "the weights that it had"
        what = f"was tuned on other weights ({tuned}) than prompt_model.weights={model.weights} is now"
        raise ConfigError([Problem(f"prompt_model.adapter={name}", what)], f"{other}, or {tune_command(config)}")


def _check_unseen(writer: Writer, test: Iterable[Example], config: RunConfig) -> None:
    """Refuse a writer of another split that saw this cell's test points."""
    seen = set(writer.info["human"].values())
    if leaked := [example.id for example in test if words_digest(example) in seen]:
        raise DataError(
            f"prompt_model.adapter={config.prompt_model.adapter}: it saw {len(leaked)} of this cell's test points "
            f"(first: {leaked[0]})\nTry: {tune_command(config)}"
        )
