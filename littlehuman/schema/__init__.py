"""The groups of `conf/` as dataclasses: one class per group, one field per key. The YAML files describe the values.

The metadata of a field says whether its value is part of the run id (`config/identity.py`): always, never
(`NOT_IDENTITY`), or where it is not null (`IF_SET`).
"""

from littlehuman.schema.audit import AuditConfig
from littlehuman.schema.data import ColumnsConfig, CsvConfig, DatasetConfig, Head, TaskConfig
from littlehuman.schema.generation import (
    Demonstration,
    FilterConfig,
    FilterStep,
    FilterText,
    JudgeConfig,
    Method,
    PriceConfig,
    PromptModelConfig,
    PromptText,
    Provider,
    RoundConfig,
    RoundTripConfig,
    RulesConfig,
    Shots,
    StrategyConfig,
    Writes,
)
from littlehuman.schema.metadata import IF_SET, NOT_IDENTITY
from littlehuman.schema.training import (
    ALL_LINEAR,
    PRECISIONS,
    Adaptation,
    Architecture,
    LaunchConfig,
    Layout,
    LossOn,
    MetricsConfig,
    ModelConfig,
    ProtocolConfig,
    Quantization,
    Tracker,
    TrackerConfig,
    TrainingConfig,
)

__all__ = [
    "ALL_LINEAR",
    "Adaptation",
    "Architecture",
    "AuditConfig",
    "ColumnsConfig",
    "CsvConfig",
    "DatasetConfig",
    "Demonstration",
    "FilterConfig",
    "FilterStep",
    "FilterText",
    "Head",
    "IF_SET",
    "JudgeConfig",
    "LaunchConfig",
    "Layout",
    "LossOn",
    "Method",
    "MetricsConfig",
    "ModelConfig",
    "PRECISIONS",
    "PriceConfig",
    "PromptModelConfig",
    "PromptText",
    "ProtocolConfig",
    "Provider",
    "Quantization",
    "RoundConfig",
    "RoundTripConfig",
    "RulesConfig",
    "Shots",
    "StrategyConfig",
    "TaskConfig",
    "Tracker",
    "TrackerConfig",
    "TrainingConfig",
    "NOT_IDENTITY",
    "Writes",
]
