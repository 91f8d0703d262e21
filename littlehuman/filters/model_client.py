"""Client of a filter's model: one request per twin, with the run's completion cache and spending limit.

In: twins, and a filter's prompt template for their task. Out: the model's answer about each twin, parsed by the
answer form. The model is `filter.model`, or else the prompt model that wrote the twins; errors about `filter.model`
name its own settings.
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
from littlehuman.languages import ENGLISH, Language
from littlehuman.prompt_models import open_model
from littlehuman.prompt_models.settings import IN_PROCESS
from littlehuman.prompting import request_key
from littlehuman.prompting.few_shot import clean_evidence
from littlehuman.prompting.parsing import after_thoughts, parse
from littlehuman.prompting.templates import form_fields
from littlehuman.records import Completion, Example, Failure, Prompt, Rejected, Synthetic
from littlehuman.rejections import RejectionKind
from littlehuman.schema import (
    FilterConfig,
    FilterStep,
    FilterText,
    PromptModelConfig,
    PromptText,
    Provider,
    StrategyConfig,
)

MAX_UNREADABLE = 100  # if that many answers come first and none can be read, the filter stops
_SETTING = re.compile(r"\bprompt_model(?=[.=])(?!\.max_usd)")  # the spending limit is the run's


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """How the twins were generated, as far as filters need it."""

    task: str
    classes: Sequence[str]
    strategy: StrategyConfig
    model: PromptModelConfig
    progress: bool = True
    language: Language = ENGLISH  # of the answers


@dataclass(frozen=True, slots=True)
class FilterRequest:
    """What a filter asks about each twin.

    `classes` are what the answer must be one of (empty: any text); `is_readable` says whether the target of an
    answer in the right form can be used.
    """

    step: FilterStep
    template: FilterText
    max_tokens: int
    classes: Sequence[str] = ()
    is_readable: Callable[[str], bool] = bool


class ModelFilterClient:
    """Asks one model about twins, within the spending limit of the run."""

    def __init__(self, config: FilterConfig, settings: GenerationSettings, spending: SpendingLimit) -> None:
        self.has_own_model, self.name = config.has_own_model, config.name
        self.model = config.model if self.has_own_model else settings.model
        self.settings, self.spending = settings, spending
        self._needs_model = not {FilterStep.judge, FilterStep.round_trip}.isdisjoint(config.steps)

    def check(self) -> None:
        """Check that `filter.model` can be asked: to be called before twins are paid for.

        Raises:
            GenerationError, ConfigError, WeightsError: when it cannot.
        """
        from littlehuman.models import gguf_file
        from littlehuman.models.weights import check_weights

        if self.has_own_model and self._needs_model:
            with self._errors_renamed():
                check_price(self.model, self.spending)
                open_model(self.model)
                if self.model.provider is Provider.llama_cpp:
                    gguf_file.check(str(self.model.weights))
                elif self.model.provider in IN_PROCESS:
                    check_weights(str(self.model.weights), self.model.revision, "prompt_model.weights")

    def ask(self, twins: Sequence[Synthetic], request: FilterRequest) -> dict[str, Synthetic | Rejected]:
        """The model's answer about each twin, by example id.

        Args:
            twins: one request each.
            request: what is asked.

        Returns:
            The twin with the answer as its target, or the cause why it cannot be read, with the raw answer.

        Raises:
            GenerationError: when the model cannot be reached, gives no readable answer, or would cost too much.
        """
        parsed, unreadable = dict[str, Synthetic | Rejected](), Counter[str]()
        prompts = _FilterPrompts(twins, request, self.model, self.settings)
        completions = generation.complete(
            prompts, self.model, request.max_tokens, self.spending, what="verdicts", progress=self.settings.progress
        )
        with self._errors_renamed(), closing(completions) as answers:
            for answer in answers:
                for twin in prompts.twins_by_key[answer.key].values():
                    found = _parse(answer, twin.as_example(), request)
                    parsed[twin.example_id] = found
                    unreadable.update(_problems(found, request))
                if unreadable.total() == len(parsed) >= MAX_UNREADABLE:
                    raise self._unusable_error(request, unreadable)
        return parsed

    @contextmanager
    def _errors_renamed(self) -> Iterator[None]:
        """Let errors about `filter.model` name it, not `prompt_model`."""
        try:
            yield
        except ConfigError as error:
            if not self.has_own_model:
                raise
            problems = [Problem(_renamed(p.where), _renamed(p.what)) for p in error.problems]
            raise ConfigError(problems, _renamed(error.hint)) from None
        except (GenerationError, WeightsError) as error:
            if not self.has_own_model:
                raise
            raise type(error)(_renamed(str(error))) from None

    def _unusable_error(self, request: FilterRequest, unreadable: Counter[str]) -> GenerationError:
        cause, count = unreadable.most_common(1)[0]
        answers = f"{unreadable.total()} answers of {self.model.name}"
        limit = f"filter.{request.step}.max_tokens above {request.max_tokens} for answers that were cut"
        return GenerationError(
            f"filter={self.name}: none of {answers} says anything about a twin; {count}: {cause}\n"
            f"Try: another filter.model, {limit}, or another filter"
        )


def unreadable_cause(answer: Rejected) -> str:
    """Why an answer could not be read, without quotes of the answer or the server, so that causes can be counted."""
    summary = answer.cause.summary
    return summary.partition(":")[0] if answer.kind is RejectionKind.FAILED_REQUEST else summary


@dataclass
class _FilterPrompts:
    """One prompt per twin. Iterating builds them anew, so that they are not all held in memory."""

    twins: Sequence[Synthetic]
    request: FilterRequest
    model: PromptModelConfig
    settings: GenerationSettings
    twins_by_key: dict[str, dict[str, Synthetic]] = field(default_factory=dict)  # request key -> twins, by example id

    def __iter__(self) -> Iterator[Prompt]:
        for twin in self.twins:
            messages = self._messages(twin)
            key = request_key(self.model, messages, self.request.max_tokens)
            self.twins_by_key.setdefault(key, {})[twin.example_id] = twin
            yield Prompt(twin.example_id, messages, key)

    def _messages(self, twin: Synthetic) -> tuple[dict[str, str], ...]:
        template = self.request.template
        values = {
            "evidence": clean_evidence(twin.evidence, self.settings.strategy.max_evidence_words),
            "text": twin.text,
            "label": template.label_words.get(twin.target, twin.target),
            "classes": ", ".join(template.label_words.get(name, name) for name in self.settings.classes),
        }
        turns = (("system", template.system), ("user", template.user))
        return tuple({"role": role, "content": text.format_map(values).strip()} for role, text in turns)


def _parse(answer: Completion | Failure, example: Example, request: FilterRequest) -> Synthetic | Rejected:
    """Parse an answer by its form. Of a form with one field small models omit the name: `True`, or `4`, alone."""
    template = request.template
    form = PromptText(system=template.system, assistant=template.assistant, label_words=template.label_words)
    parsed = parse(answer, example, form, request.classes)
    markers = list(form_fields(form.assistant))
    if (
        isinstance(answer, Completion)
        and isinstance(parsed, Rejected)
        and parsed.kind is RejectionKind.MISSING_FIELD
        and markers == [parsed.cause.parts["field"]]
    ):
        alone = after_thoughts(answer.text, form.assistant)
        return parse(replace(answer, text=f"{markers[0]}: {alone}"), example, form, request.classes)
    return parsed


def _problems(answer: Synthetic | Rejected, request: FilterRequest) -> list[str]:
    if isinstance(answer, Rejected):
        return [unreadable_cause(answer)]
    return [] if request.is_readable(answer.target) else ["it has the form, and says nothing"]


def _renamed(text: str) -> str:
    return _SETTING.sub("filter.model", text)
