"""From human points to requests for their twins.

In: the points that turn synthetic, the human points that the cell may own, a strategy's words.
Out: one `Prompt` each: a system turn, worked examples as user/assistant turns, and the question.
The label is requested (paper, Section 2), so that the twins have the human label distribution.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from littlehuman import seeding
from littlehuman.errors import ConfigError, Problem
from littlehuman.groups import Demonstration, PromptModelConfig, PromptText, Shots, StrategyConfig, Writes
from littlehuman.records import Example, Prompt
from littlehuman.store import digest
from littlehuman.wording import asks_for_label, check

log = logging.getLogger(__name__)

_URL = re.compile(r"(?:https?://|www\.)\S+")


def prompts(
    examples: Sequence[Example],
    pool: Sequence[Example],
    strategy: StrategyConfig,
    task: str,
    model: PromptModelConfig,
    classes: Sequence[str] = (),
    *,
    replacement: bool = False,
) -> Iterator[Prompt]:
    """Yield the request for the twin of each example, in order.

    Args:
        examples: the points whose twins are wanted.
        pool: the human points that prompts may show (the cell's human budget).
        strategy: how many are shown, and the words.
        task: which of the strategy's texts to use.
        model: who is asked; part of each request's key.
        classes: the dataset's classes, for requests that name them.
        replacement: draw the shown points with replacement (protocol `paper`).

    Raises:
        ConfigError: when the strategy shows human points and the pool is empty, or its words name
            what they may not name.
    """
    words = strategy.tasks[task]
    check(strategy, task)
    names = ", ".join(words.label_words.get(name, name) for name in classes)
    shown = _Shown(pool, strategy, words, replacement, names)
    short = 0
    for example in examples:
        ids, turns = shown.turns_for(example)
        short += len(turns) < 2 * strategy.shots
        system = words.system.format_map(_fields(words, example.target, names)).strip()
        question = _user_turn(words, strategy, Demonstration(evidence=example.evidence, text=example.text, target=example.target), names)
        messages = ({"role": "system", "content": system}, *turns, {"role": "user", "content": question})
        key = request_key(model, messages, strategy.max_tokens)
        yield Prompt(example.id, messages, key, ids)
    if short and strategy.shots_from is Shots.human:
        log.warning(
            "%d of %d requests show fewer than %d human points: too few are owned%s on other evidence (human_budget)",
            *(short, len(examples), strategy.shots, " with that label" if shown.labelled else ""),
        )


def request_key(model: PromptModelConfig, messages: Sequence[Mapping[str, str]], max_tokens: int) -> str:
    """Hash of what can change an answer: weights, sampling and words; not timeouts or batch sizes."""
    identity = {
        "model": model.weights or model.name,
        "dtype": model.dtype if model.weights else None,
        "temperature": float(model.temperature),  # 1 and 1.0 are one request
        "top_p": float(model.top_p),
        "max_tokens": max_tokens,
    }
    return digest([identity, list(messages)])


def clean(evidence: str, max_words: int) -> str:
    """Evidence as prompts show it: URLs removed, cut after `max_words` words (layout kept)."""
    text = _URL.sub("", evidence).strip()
    ends = [match.end() for match in re.finditer(r"\S+", text)]
    return text if len(ends) <= max_words else text[: ends[max_words - 1]] if max_words > 0 else ""


class _Shown:
    """Draws the worked examples of each prompt by name: (strategy seed, purpose, example id)."""

    def __init__(self, pool: Sequence[Example], strategy: StrategyConfig, words: PromptText, replacement: bool, names: str) -> None:
        self.strategy, self.words, self.replacement, self.names = strategy, words, replacement, names
        self.by_label: dict[str, list[Example]] = defaultdict(list)
        self.labelled = asks_for_label(words)
        if strategy.shots and strategy.shots_from is Shots.human:
            _refuse_empty(pool, strategy)
            for example in sorted(pool, key=lambda e: e.id):
                self.by_label[example.target if self.labelled else ""].append(example)

    def turns_for(self, example: Example) -> tuple[tuple[str, ...], list[dict[str, str]]]:
        if not self.strategy.shots:
            return (), []
        if self.strategy.shots_from is Shots.own:
            return (), [turn for shot in self._own(example) for turn in self._turns(shot)]
        drawn = self._draw(example)
        turns = [turn for e in drawn for turn in self._turns(Demonstration(evidence=e.evidence, text=e.text, target=e.target))]
        return tuple(dict.fromkeys(e.id for e in drawn)), turns

    def _own(self, example: Example) -> list[Demonstration]:
        fitting = [d for d in self.words.demonstrations if not self.labelled or d.target == example.target]
        return fitting[: self.strategy.shots]

    def _draw(self, example: Example) -> list[Example]:
        """`shots` points of the same label; never the row itself, nor another point on its evidence."""
        candidates = self.by_label[example.target if self.labelled else ""]
        generator = seeding.rng(self.strategy.seed, "prompt examples", example.id)
        own = example.evidence_key
        drawn: list[Example] = []
        taken: set[int] = set()
        for _ in range(20 * self.strategy.shots if candidates else 0):
            index = generator.randrange(len(candidates))
            fits = candidates[index].evidence_key != own and candidates[index].id != example.id
            if fits and (self.replacement or index not in taken):
                taken.add(index)
                drawn.append(candidates[index])
            if len(drawn) == self.strategy.shots:
                break
        return drawn

    def _turns(self, shot: Demonstration) -> list[dict[str, str]]:
        label = self.words.label_words.get(shot.target, shot.target)
        answer = self.words.assistant.format(text=shot.text, target=label, explanation=shot.explanation)
        return [
            {"role": "user", "content": _user_turn(self.words, self.strategy, shot, self.names)},
            {"role": "assistant", "content": answer.strip()},
        ]


def _fields(words: PromptText, target: str, names: str) -> dict[str, str]:
    label = words.label_words.get(target, target)
    return {"label": label, "label_request": words.label_requests.get(target, label), "classes": names}


def _user_turn(words: PromptText, strategy: StrategyConfig, point: Demonstration, names: str) -> str:
    values = {**_fields(words, point.target, names), "evidence": clean(point.evidence, strategy.max_evidence_words)}
    if strategy.writes is Writes.target:  # only an annotator may read the human text
        values["text"] = point.text
    return words.user.format_map(values).strip()


def _refuse_empty(pool: Sequence[Example], strategy: StrategyConfig) -> None:
    if not pool:
        raise ConfigError(
            [Problem("human_budget=0", f"strategy={strategy.name} shows {strategy.shots} human points in each prompt")],
            hint="strategy=cot or strategy=zero_shot, which show none, or a larger human_budget",
        )
