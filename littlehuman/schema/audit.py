"""The key `audit`: limits and options of the data quality audit. It changes no result."""

from __future__ import annotations

from dataclasses import dataclass, field

from littlehuman.schema.generation import FilterConfig, FilterStep

LIMITED = ("contamination", "evidence", "copies", "repeated_texts", "collapse")  # shares that `fail_if` may limit


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """What an audit measures beside its defaults, and what stops a cell.

    Attributes:
        fail_if: measure -> the largest share that is let pass; a larger one stops the cell before it is trained.
        near: smallest Jaccard similarity of near duplicates.
        ngram: words of the runs that training and test may share.
        judge: a filter that says which points are right (`filter@audit.judge=judge`); none: not measured.
        judge_sample: twins, human points and wrong points that the judge sees, each.
        groups: name -> a column of the data, or a regular expression between slashes on the texts.
    """

    fail_if: dict[str, float] = field(default_factory=dict)
    near: float = 0.8
    ngram: int = 13
    judge: FilterConfig = field(default_factory=FilterConfig)
    judge_sample: int = 50
    groups: dict[str, str] = field(default_factory=dict)

    @property
    def judges(self) -> list[FilterStep]:
        """The steps of `judge` that ask a model."""
        return [step for step in self.judge.steps if step is not FilterStep.rules]

    @property
    def columns(self) -> list[str]:
        """The columns of the data that `groups` names, in their order."""
        return [value for value in self.groups.values() if not is_pattern(value)]


def is_pattern(value: str) -> bool:
    """Whether a group is a regular expression: between slashes."""
    return len(value) > 2 and value.startswith("/") and value.endswith("/")
