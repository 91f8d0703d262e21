"""The few-shot examples of a prompt: which human points it shows, and how a point is rendered as a pair of turns.

In: the human points that prompts may show, a strategy's prompt template. Out: user and assistant turns, drawn for
each request by a seed of its own, and the ids of the human points in them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice

from littlehuman import seeding
from littlehuman.errors import ConfigError, Problem
from littlehuman.prompting.templates import asks_for_label
from littlehuman.records import Example
from littlehuman.schema import Demonstration, PromptText, Shots, StrategyConfig, Writes

_DRAWS_PER_SHOT = 20  # draws that may hit an unsuitable point before a prompt gets fewer examples
_URL = re.compile(r"(?:https?://|www\.)\S+")


class ExampleSampler:
    """Draws the examples of each prompt, seeded by strategy seed and example id; with `shots_fixed` by seed alone.

    Args:
        pool: human points that may be shown.
        strategy: how many are shown, and whose.
        template: its text for the task.
        replacement: draw with replacement (protocol `paper`).
        class_list: the classes as prompts list them.

    Raises:
        ConfigError: when human points are to be shown and the pool is empty.
    """

    def __init__(
        self,
        pool: Sequence[Example],
        strategy: StrategyConfig,
        template: PromptText,
        replacement: bool,
        class_list: str,
    ) -> None:
        self.strategy, self.template, self.replacement, self.class_list = strategy, template, replacement, class_list
        self.by_label: dict[str, list[Example]] = defaultdict(list)
        self._fixed_orders: dict[str, list[Example]] = {}
        self.label_is_requested = asks_for_label(template)
        if strategy.shots and strategy.shots_from is Shots.human:
            _check_pool(pool, strategy)
            for example in sorted(pool, key=lambda e: e.id):
                self.by_label[self._stratum(example)].append(example)

    def turns_for(self, example: Example) -> tuple[tuple[str, ...], list[dict[str, str]]]:
        """Ids of the human points in the prompt for `example`, and the turns of all its few-shot examples."""
        if not self.strategy.shots:
            return (), []
        if self.strategy.shots_from is Shots.own:
            return (), [turn for shot in self._own_shots(example) for turn in self._turns(shot)]
        drawn = self._draw(example)
        shots = [Demonstration(evidence=e.evidence, text=e.text, target=e.target) for e in drawn]
        return tuple(dict.fromkeys(e.id for e in drawn)), [turn for shot in shots for turn in self._turns(shot)]

    def _stratum(self, example: Example) -> str:
        """Examples have the label that is requested, where one is."""
        return example.target if self.label_is_requested else ""

    def _own_shots(self, example: Example) -> list[Demonstration]:
        shots = self.template.demonstrations
        return [s for s in shots if not self.label_is_requested or s.target == example.target][: self.strategy.shots]

    def _draw(self, example: Example) -> list[Example]:
        """`shots` points; never the point itself, nor another one on its evidence."""
        if self.strategy.shots_fixed:
            return self._first_that_fit(example)
        candidates = self.by_label[self._stratum(example)]
        generator = seeding.rng(self.strategy.seed, "prompt examples", example.id)
        own_evidence = example.evidence_key
        drawn: list[Example] = []
        taken: set[int] = set()
        for _ in range(_DRAWS_PER_SHOT * self.strategy.shots if candidates else 0):
            index = generator.randrange(len(candidates))
            fits = candidates[index].evidence_key != own_evidence and candidates[index].id != example.id
            if fits and (self.replacement or index not in taken):
                taken.add(index)
                drawn.append(candidates[index])
            if len(drawn) == self.strategy.shots:
                break
        return drawn

    def _first_that_fit(self, example: Example) -> list[Example]:
        """The first `shots` points of one order for all prompts: where one of them may not be shown, the next is."""
        stratum = self._stratum(example)
        if stratum not in self._fixed_orders:
            by_id = {point.id: point for point in self.by_label[stratum]}
            ids = seeding.ordering(by_id, self.strategy.seed, "fixed prompt examples")
            self._fixed_orders[stratum] = [by_id[i] for i in ids]
        order, own = self._fixed_orders[stratum], example.evidence_key
        fitting = (point for point in order if point.evidence_key != own and point.id != example.id)
        return list(islice(fitting, self.strategy.shots))

    def _turns(self, shot: Demonstration) -> list[dict[str, str]]:
        return [
            {"role": "user", "content": user_turn(self.template, self.strategy, shot, self.class_list)},
            {"role": "assistant", "content": answer_turn(self.template, shot)},
        ]


def label_values(template: PromptText, target: str, class_list: str) -> dict[str, str]:
    """What the fields on labels and classes stand for, in the turns of a point with this target."""
    label = template.label_words.get(target, target)
    return {"label": label, "label_request": template.label_requests.get(target, label), "classes": class_list}


def answer_turn(template: PromptText, point: Demonstration) -> str:
    """A point in the answer form of the strategy: what the prompt model should have written."""
    label = template.label_words.get(point.target, point.target)
    return template.assistant.format(text=point.text, target=label, explanation=point.explanation).strip()


def user_turn(template: PromptText, strategy: StrategyConfig, point: Demonstration, class_list: str) -> str:
    """The user turn of a request, or of a few-shot example in it."""
    evidence = clean_evidence(point.evidence, strategy.max_evidence_words)
    values = {**label_values(template, point.target, class_list), "evidence": evidence}
    if strategy.writes is Writes.target:  # only an annotator may read the human text
        values["text"] = point.text
    return template.user.format_map(values).strip()


def clean_evidence(evidence: str, max_words: int) -> str:
    """Evidence as prompts show it: URLs removed, cut after `max_words` words, layout kept."""
    text = _URL.sub("", evidence).strip()
    ends = [match.end() for match in re.finditer(r"\S+", text)]
    return text if len(ends) <= max_words else text[: ends[max_words - 1]] if max_words > 0 else ""


def _check_pool(pool: Sequence[Example], strategy: StrategyConfig) -> None:
    if not pool:
        raise ConfigError(
            [Problem("human_budget=0", f"strategy={strategy.name} shows {strategy.shots} human points in each prompt")],
            hint="strategy=cot or strategy=zero_shot, which show none, or a larger human_budget",
        )
