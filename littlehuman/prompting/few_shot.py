"""The worked examples of a prompt: which points it shows, and how a point stands in a turn.

In: the human points that prompts may show, a strategy's words. Out: pairs of turns, drawn for each
request by name, and the ids of the human points in them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from littlehuman import seeding
from littlehuman.errors import ConfigError, Problem
from littlehuman.prompting.templates import asks_for_label
from littlehuman.records import Example
from littlehuman.schema import Demonstration, PromptText, Shots, StrategyConfig, Writes

_URL = re.compile(r"(?:https?://|www\.)\S+")


class ExampleSampler:
    """Draws the worked examples of each prompt by name: (strategy seed, purpose, example id)."""

    def __init__(
        self, pool: Sequence[Example], strategy: StrategyConfig, words: PromptText, replacement: bool, names: str
    ) -> None:
        self.strategy, self.words, self.replacement, self.names = strategy, words, replacement, names
        self.by_label: dict[str, list[Example]] = defaultdict(list)
        self.labelled = asks_for_label(words)
        if strategy.shots and strategy.shots_from is Shots.human:
            _refuse_empty(pool, strategy)
            for example in sorted(pool, key=lambda e: e.id):
                self.by_label[example.target if self.labelled else ""].append(example)

    def turns_for(self, example: Example) -> tuple[tuple[str, ...], list[dict[str, str]]]:
        """Ids of the human points that this point's prompt shows, and the turns of all its worked examples."""
        if not self.strategy.shots:
            return (), []
        if self.strategy.shots_from is Shots.own:
            return (), [turn for shot in self._own(example) for turn in self._turns(shot)]
        drawn = self._draw(example)
        turns = [
            turn
            for e in drawn
            for turn in self._turns(Demonstration(evidence=e.evidence, text=e.text, target=e.target))
        ]
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
            {"role": "user", "content": user_turn(self.words, self.strategy, shot, self.names)},
            {"role": "assistant", "content": answer.strip()},
        ]


def fields_for(words: PromptText, target: str, names: str) -> dict[str, str]:
    """What the turns of a point with this target may name; `names` lists the classes."""
    label = words.label_words.get(target, target)
    return {"label": label, "label_request": words.label_requests.get(target, label), "classes": names}


def user_turn(words: PromptText, strategy: StrategyConfig, point: Demonstration, names: str) -> str:
    """The question of a request, or of a worked example in it."""
    values = {**fields_for(words, point.target, names), "evidence": clean(point.evidence, strategy.max_evidence_words)}
    if strategy.writes is Writes.target:  # only an annotator may read the human text
        values["text"] = point.text
    return words.user.format_map(values).strip()


def _refuse_empty(pool: Sequence[Example], strategy: StrategyConfig) -> None:
    if not pool:
        raise ConfigError(
            [Problem("human_budget=0", f"strategy={strategy.name} shows {strategy.shots} human points in each prompt")],
            hint="strategy=cot or strategy=zero_shot, which show none, or a larger human_budget",
        )


def clean(evidence: str, max_words: int) -> str:
    """Evidence as prompts show it: URLs removed, cut after `max_words` words (layout kept)."""
    text = _URL.sub("", evidence).strip()
    ends = [match.end() for match in re.finditer(r"\S+", text)]
    return text if len(ends) <= max_words else text[: ends[max_words - 1]] if max_words > 0 else ""
