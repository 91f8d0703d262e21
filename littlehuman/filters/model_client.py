"""A filter's own requests: through the same shelf, and out of the same purse, as those for twins.

In: twins, and the words of a filter for their task. Out: what the model said about each, read by
the answer form.


[folded] A filter's own model (`filter.model`) is asked like any prompt model; its errors name its own settings.

In: an error about a prompt model. Out: the same about `filter.model`; the limit stays the run's.

"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

from littlehuman import generation
from littlehuman.errors import ConfigError, GenerationError, Problem, WeightsError
from littlehuman.generation.spending import SpendingLimit, check_price
from littlehuman.prompt_models import open_model
from littlehuman.prompting import request_key
from littlehuman.prompting.few_shot import clean
from littlehuman.prompting.parsing import parse
from littlehuman.prompting.templates import fields_of
from littlehuman.records import Completion, Example, Failure, Prompt, Rejected, Synthetic
from littlehuman.rejections import RejectionKind
from littlehuman.schema import FilterConfig, FilterStep, FilterText, PromptModelConfig, PromptText, StrategyConfig

_SETTING = re.compile(r"\bprompt_model(?=[.=])(?!\.max_usd)")


@contextmanager
def named_as_its_own(own: bool) -> Iterator[None]:
    """Within it errors name the filter's own model; without `own` the one that writes the twins is asked, and they stay as they are."""
    try:
        yield
    except ConfigError as error:
        if not own:
            raise
        raise ConfigError(
            [Problem(_renamed(p.where), _renamed(p.what)) for p in error.problems], _renamed(error.hint)
        ) from None
    except (GenerationError, WeightsError) as error:
        if not own:
            raise
        raise type(error)(_renamed(str(error))) from None


def _renamed(text: str) -> str:
    return _SETTING.sub("filter.model", text)


HOPELESS = 100  # answers of which none could be read: no more are asked for


@dataclass(frozen=True, slots=True)
class Writing:
    """How the twins came to be: what a filter must know of it."""

    task: str
    classes: Sequence[str]
    strategy: StrategyConfig
    model: PromptModelConfig
    progress: bool = True


@dataclass(frozen=True, slots=True)
class FilterRequest:
    """What a filter asks about each twin: its step, the words, the longest answer, and what an answer may be.

    `classes` are what the answer must be one of (empty: anything); `readable` says whether an answer
    that has the right form says anything.
    """

    step: FilterStep
    words: FilterText
    max_tokens: int
    classes: Sequence[str] = ()
    readable: Callable[[str], bool] = bool


class ModelFilterClient:
    """Asks one model about twins; the run's purse pays."""

    def __init__(self, config: FilterConfig, writing: Writing, purse: SpendingLimit) -> None:
        self.own, self.name = config.has_own_model, config.name
        self.model = config.model if self.own else writing.model
        self.writing, self.purse = writing, purse
        self._asks = not {FilterStep.judge, FilterStep.round_trip}.isdisjoint(config.steps)

    def check(self) -> None:
        """Look whether a filter's own model could be asked: to be called before twins are paid for.

        Raises:
            GenerationError, ConfigError: when it could not.
        """
        if self.own and self._asks:
            with named_as_its_own(self.own):
                check_price(self.model, self.purse.limit)
                open_model(self.model)

    def ask(self, twins: Sequence[Synthetic], question: FilterRequest) -> dict[str, Synthetic | Rejected]:
        """What the model answers about each twin, by example id.

        Args:
            twins: one request each.
            question: what is asked; a cut answer is not read.

        Returns:
            The twin with the answer as its target, or why there is none, with the raw answer.

        Raises:
            GenerationError: when the model cannot be reached, answers nothing that can be read, or
                would cost too much.
        """
        words, read, unread = question.words, dict[str, Synthetic | Rejected](), Counter[str]()
        requests = _Requests(twins, words, question.max_tokens, self.model, self.writing)
        form = PromptText(system=words.system, assistant=words.assistant, label_words=words.label_words)
        asking = generation.complete(
            requests, self.model, question.max_tokens, self.purse, what="verdicts", progress=self.writing.progress
        )
        with named_as_its_own(self.own), closing(asking) as answers:
            for answer in answers:
                for twin in requests.twins_of[answer.key].values():
                    found = _read(answer, twin.as_example(), form, question.classes)
                    read[twin.example_id] = found
                    unread.update(_why_unread(found, question.readable))
                if unread.total() == len(read) >= HOPELESS:
                    raise self._useless(question, unread)
        return read

    def _useless(self, question: FilterRequest, unread: Counter[str]) -> GenerationError:
        reason, count = unread.most_common(1)[0]
        limit = f"filter.{question.step}.max_tokens above {question.max_tokens} for answers that were cut"
        return GenerationError(
            f"filter={self.name}: none of {unread.total()} answers of {self.model.name} says anything about a twin; {count}: {reason}\n"
            f"Try: another filter.model, {limit}, or another filter"
        )


@dataclass
class _Requests:
    """One request for each twin, written anew each time they are gone through."""

    twins: Sequence[Synthetic]
    words: FilterText
    max_tokens: int
    model: PromptModelConfig
    writing: Writing
    twins_of: dict[str, dict[str, Synthetic]] = field(default_factory=dict)  # key -> the twins that are asked about so

    def __iter__(self) -> Iterator[Prompt]:
        for twin in self.twins:
            messages = self._messages(twin)
            key = request_key(self.model, messages, self.max_tokens)
            self.twins_of.setdefault(key, {})[twin.example_id] = twin
            yield Prompt(twin.example_id, messages, key)

    def _messages(self, twin: Synthetic) -> tuple[dict[str, str], ...]:
        words = self.words
        values = {
            "evidence": clean(twin.evidence, self.writing.strategy.max_evidence_words),
            "text": twin.text,
            "label": words.label_words.get(twin.target, twin.target),
            "classes": ", ".join(words.label_words.get(name, name) for name in self.writing.classes),
        }
        turns = (("system", words.system), ("user", words.user))
        return tuple({"role": role, "content": text.format_map(values).strip()} for role, text in turns)


def _read(
    answer: Completion | Failure, example: Example, form: PromptText, classes: Sequence[str]
) -> Synthetic | Rejected:
    """An answer by its form; where that has one field, small models leave its name out and say `True`, or `4`, alone."""
    read = parse(answer, example, form, classes)
    names = list(fields_of(form.assistant))
    if (
        isinstance(answer, Completion)
        and isinstance(read, Rejected)
        and read.kind is RejectionKind.MISSING_FIELD
        and names == [read.cause.parts["field"]]
    ):
        return parse(replace(answer, text=f"{names[0]}: {answer.text}"), example, form, classes)
    return read


def _why_unread(found: Synthetic | Rejected, readable: Callable[[str], bool]) -> list[str]:
    if isinstance(found, Rejected):
        return [unreadable_cause(found)]
    return [] if readable(found.target) else ["it has the form, and says nothing"]


def unreadable_cause(answer: Rejected) -> str:
    """Why an answer could not be read, without quotes of the answer or the server, so that causes can be counted."""
    summary = answer.cause.summary
    return summary.partition(":")[0] if answer.kind is RejectionKind.FAILED_REQUEST else summary
