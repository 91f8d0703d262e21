"""The groups of `conf/` as types: one class per group, one field per key.

In: a group's YAML, which comments each value. Out: its typed, frozen record. Fields marked
`NOT_IDENTITY` never change a result and are no part of a run's identity; those marked `IF_SET` are one
where they are not null (`identity.py`).
"""

from littlehuman.schema.data import ColumnsConfig, DatasetConfig, Head, TaskConfig
from littlehuman.schema.generation import (
    Demonstration,
    FilterConfig,
    FilterStep,
    FilterText,
    JudgeConfig,
    PriceConfig,
    PromptModelConfig,
    PromptText,
    Provider,
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
    "Architecture",
    "ColumnsConfig",
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
    "MetricsConfig",
    "ModelConfig",
    "PRECISIONS",
    "PriceConfig",
    "PromptModelConfig",
    "PromptText",
    "ProtocolConfig",
    "Provider",
    "Quantization",
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
