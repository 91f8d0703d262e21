"""`RunConfig`, the typed configuration of one cell: the groups of `conf/` (`schema/`) and the values beside them.

`from_hydra` makes it of Hydra's `DictConfig`, which is not used from there on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from littlehuman.config import annotator, sizing
from littlehuman.config.addresses import password_problems
from littlehuman.config.validation import problems, unknown_keys
from littlehuman.errors import ConfigError, Problem
from littlehuman.schema import (
    IF_SET,
    NOT_IDENTITY,
    AuditConfig,
    DatasetConfig,
    FilterConfig,
    Head,
    LaunchConfig,
    Method,
    MetricsConfig,
    ModelConfig,
    PromptModelConfig,
    ProtocolConfig,
    RoundConfig,
    StrategyConfig,
    TaskConfig,
    TrackerConfig,
    TrainingConfig,
)
from littlehuman.schema.audit import is_pattern


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The configuration of one cell, frozen and validated; `conf/config.yaml` describes each value."""

    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    prompt_model: PromptModelConfig = field(default_factory=PromptModelConfig)
    strategy: StrategyConfig = field(default_factory=StrategyConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    writer: TrainingConfig = field(
        default_factory=TrainingConfig, metadata=NOT_IDENTITY
    )  # identity.py: where one is tuned
    generation: RoundConfig = field(default_factory=RoundConfig, metadata=IF_SET)
    launch: LaunchConfig = field(default_factory=LaunchConfig, metadata=NOT_IDENTITY)
    tracker: TrackerConfig = field(default_factory=TrackerConfig, metadata=NOT_IDENTITY)
    method: Method = Method.finetune
    audit: AuditConfig = field(default_factory=AuditConfig, metadata=NOT_IDENTITY)
    synth_frac: float = 0.9
    n_train: int | None = None
    n_test: int | None = None
    seed: int = 0
    human_budget: int | str = "all"
    extra_human: int = 0
    synthetic: bool = True
    stand_ins_by: str | None = field(default=None, metadata=IF_SET)
    test_dataset: str | None = None
    test_path: str | None = None
    study: str = field(default="default", metadata=NOT_IDENTITY)

    def __post_init__(self) -> None:
        """Validate what can be checked without data.

        Raises:
            ConfigError: lists all problems.
        """
        self._share_prompts()
        found = list(problems(self))
        if found:
            valid = 0 <= self.synth_frac <= 1
            hint = "" if valid else "synth_frac=0.95"
            hint = annotator.mend(self) if self.method is Method.annotator else hint
            raise ConfigError(found, hint)

    def _share_prompts(self) -> None:
        """Give the task the prompts of another one (`task.prompts`), where a strategy or filter has none for it."""
        name, other = self.task.name, self.task.prompts
        for tasks in (self.strategy.tasks, self.filter.judge.tasks, self.filter.round_trip.tasks):
            shared: dict[str, Any] = tasks
            if other in shared:
                shared.setdefault(name, shared[other])

    @property
    def size(self) -> int:
        """Number of training points: `n_train`, or the first of `dataset.sizes`.

        Raises:
            ConfigError: when neither says one: `sizing.with_size` takes it from the data.
        """
        if self.n_train is None and not self.dataset.sizes:
            raise ConfigError([Problem("n_train=null", "is all points of the data, which were not counted yet")])
        return self.dataset.sizes[0] if self.n_train is None else self.n_train

    @property
    def fine_tuning(self) -> TrainingConfig:
        """The training hyperparameters: `training` overrides `protocol`, which overrides `model`."""
        head = (Head.generation if self.task.head is Head.generation else Head.classification).value
        layers = [self.training, getattr(self.protocol, head), getattr(self.model, head)]
        if self.model.is_full:
            layers.insert(2, self.model.full)
        names = [f.name for f in fields(TrainingConfig)]
        first = {n: next((v for layer in layers if (v := getattr(layer, n)) is not None), None) for n in names}
        return TrainingConfig(**first)

    @property
    def audited_dataset(self) -> DatasetConfig:
        """The dataset, with the columns that `audit.groups` names, and that of `stand_ins_by` as the last one."""
        by = self.stand_ins_by
        traits = [*self.audit.columns, *([by] if by is not None and not is_pattern(by) else [])]
        return replace(self.dataset, columns=replace(self.dataset.columns, traits=traits)) if traits else self.dataset

    def with_launch_device(self) -> RunConfig:
        """The same cell, with local prompt models on `launch.device` (unless they have a device of their own)."""
        device = self.launch.device
        return replace(
            self,
            prompt_model=self.prompt_model.with_default_device(device),
            filter=replace(self.filter, model=self.filter.model.with_default_device(device)),
        )

    def answer_tokens_for(self, dataset: DatasetConfig) -> int:
        """Maximal length of a predicted answer to a question of `dataset`, in tokens."""
        short = dataset.code_answer_tokens if self.protocol.short_answers else None
        return short or dataset.answer_tokens


def from_hydra(config: DictConfig) -> RunConfig:
    """The typed config of a composed one; Hydra's own node `hydra` is ignored.

    Raises:
        ConfigError: when a key is unknown, or a value invalid.
    """
    container = OmegaConf.to_container(config)
    written = {str(key): value for key, value in cast(dict[Any, Any], container).items() if key != "hydra"}
    if found := list(unknown_keys(written, RunConfig)) or list(password_problems(written)):
        raise ConfigError(found)
    try:
        values = {f.name: config[f.name] for f in fields(RunConfig)}  # the schema has typed each of them
        typed: dict[str, Any] = {
            name: OmegaConf.to_object(v) if OmegaConf.is_config(v) else v for name, v in values.items()
        }
        run = RunConfig(**typed)
    except OmegaConfBaseException as error:
        raise ConfigError([Problem(error.full_key or "configuration", str(error).split("\n", 1)[0])]) from error
    return sizing.with_size(run)


def schema() -> DictConfig:
    """`RunConfig` as a structured config for Hydra: the first entry of the defaults list, which types every key."""
    node = _thaw(OmegaConf.structured(RunConfig))
    for name in (
        "labels",
        "class_descriptions",
        "splits",
        "files",
    ):  # their keys depend on the data: the command line may add some
        OmegaConf.set_struct(node.dataset[name], False)
    for name in ("fail_if", "groups"):
        OmegaConf.set_struct(node.audit[name], False)
    return node


def _thaw(node: DictConfig) -> DictConfig:
    # OmegaConf makes frozen dataclasses read-only; the YAML files could not be merged into them.
    OmegaConf.set_readonly(node, None)
    for key in node:
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_none():
            _thaw(child)
    return node
