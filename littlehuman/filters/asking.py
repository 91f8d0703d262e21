"""A filter's own requests: through the same shelf, and out of the same purse, as those for twins.

In: twins, and the words of a filter for their task. Out: what the model said about each, read by
the answer form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from littlehuman import generation
from littlehuman.generation.purse import Purse
from littlehuman.groups import FilterText, PromptModelConfig, PromptText, StrategyConfig
from littlehuman.parsing import parse
from littlehuman.prompting import request_key
from littlehuman.prompting.wording import fields_of
from littlehuman.prompting.worked_examples import clean
from littlehuman.records import Completion, Example, Failure, Prompt, Rejected, Synthetic


@dataclass(frozen=True, slots=True)
class Writing:
    """How the twins came to be: what a filter must know of it."""

    task: str
    classes: Sequence[str]
    strategy: StrategyConfig
    model: PromptModelConfig
    progress: bool = True


class Asker:
    """Asks one model about twins; the run's purse pays."""

    def __init__(self, model: PromptModelConfig, writing: Writing, purse: Purse) -> None:
        self.model, self.writing, self.purse = model, writing, purse

    def ask(
        self, twins: Sequence[Synthetic], words: FilterText, max_tokens: int, classes: Sequence[str]
    ) -> dict[str, Synthetic | Rejected]:
        """What the model answers about each twin, by example id.

        Args:
            twins: one request each.
            words: system turn, user turn and answer form.
            max_tokens: of an answer; a cut one is not read.
            classes: what the answer must be one of; empty: anything.

        Returns:
            The twin with the answer as its target, or why there is none, with the raw answer.

        Raises:
            GenerationError: when the model cannot be reached, answers nothing, or would cost too much.
        """
        requests = _Requests(twins, words, max_tokens, self.model, self.writing)
        form = PromptText(system=words.system, assistant=words.assistant, label_words=words.label_words)
        read: dict[str, Synthetic | Rejected] = {}
        asking = generation.complete(requests, self.model, max_tokens, self.purse, what="verdicts", progress=self.writing.progress)
        with closing(asking) as answers:
            for answer in answers:
                for twin in requests.twins_of[answer.key].values():
                    read[twin.example_id] = _read(answer, twin.as_example(), form, classes)
        return read


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


def _read(answer: Completion | Failure, example: Example, form: PromptText, classes: Sequence[str]) -> Synthetic | Rejected:
    """An answer by its form; where that has one field, small models leave its name out and say `True`, or `4`, alone."""
    read = parse(answer, example, form, classes)
    names = list(fields_of(form.assistant))
    if isinstance(read, Rejected) and isinstance(answer, Completion) and names == [read.reason.removeprefix("no ")]:
        return parse(replace(answer, text=f"{names[0]}: {answer.text}"), example, form, classes)
    return read


def unreadable(answer: Rejected) -> str:
    """Why an answer could not be read, without what is quoted of it: so that reasons can be counted."""
    return answer.reason if answer.reason.startswith("finish reason") else answer.reason.partition(":")[0]
