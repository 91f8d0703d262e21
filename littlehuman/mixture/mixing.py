"""Design of the training set: which human points it has, and which of them are replaced by their twins.

In: the human training points and a `MixtureSpec`. Out: a `MixturePlan` before the twins exist, and the `Mixture` when
they do. Under one seed every dataset has two fixed orderings: the first one orders the points by their entry into the
training set (n takes a prefix), the second by their replacement (the synthetic fraction takes a prefix). So sets are
nested in n and in the fraction, and paired within a seed: the 125 human points of 97.5 % are among the 250 of 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from littlehuman.errors import ConfigError, Problem
from littlehuman.records import Example, Mixture, Origin, Point, Synthetic
from littlehuman.seeding import ordering


@dataclass(frozen=True, slots=True)
class MixtureSpec:
    """The part of the config that decides a mixture."""

    n_train: int
    synth_frac: float
    seed: int
    extra_human: int = 0
    synthetic: bool = True
    human_budget: int | str = "all"


@dataclass(frozen=True, slots=True)
class MixturePlan:
    """The design of a cell's training set, before any twin is written.

    `human` and `to_replace` make up the n points, in training order; `extra` are human points beside them; `spares`
    replace, in order, points whose twin fails; `owned` are the human labels of the budget, which alone prompts may
    show.
    """

    human: tuple[Example, ...]
    to_replace: tuple[Example, ...]
    extra: tuple[Example, ...]
    spares: tuple[Example, ...]
    owned: tuple[Example, ...]

    @property
    def requested(self) -> int:
        """Points that the finished mixture should have."""
        return len(self.human) + len(self.to_replace) + len(self.extra)


def plan_mixture(train: Sequence[Example], spec: MixtureSpec, name: str = "this dataset") -> MixturePlan:
    """Choose the human points, and those that are replaced by twins.

    Raises:
        ConfigError: when the dataset has too few points, or the budget is below what is trained on.
    """
    by_id = {example.id: example for example in train}
    order = ordering(by_id, spec.seed, "who is in the training set")
    _check_size(spec, len(order), name)
    inside = order[: spec.n_train]
    # Extra human points come from the far end, so that they are the same ones for every n.
    extra = order[len(order) - spec.extra_human :]
    by_turn = ordering(inside, spec.seed, "who turns synthetic first")
    count = synthetic_count(spec.synth_frac, spec.n_train)
    human = by_turn[count:]
    owned = _owned(extra, by_turn, order, spec, trained=len(human) + len(extra))
    return MixturePlan(
        human=tuple(by_id[i] for i in human),
        to_replace=tuple(by_id[i] for i in by_turn[:count]) if spec.synthetic else (),
        extra=tuple(by_id[i] for i in extra),
        spares=tuple(by_id[i] for i in order[spec.n_train : len(order) - spec.extra_human]) if spec.synthetic else (),
        owned=tuple(by_id[i] for i in owned),
    )


def stand_ins(
    failed: Sequence[Example],
    spares: Sequence[Example],
    *,
    same_target: bool,
    group_of: Callable[[Example], str] = lambda example: "",
) -> tuple[list[Example], list[Example]]:
    """Spare points for those whose twin failed, and the spares that are left.

    With `same_target` a failed point is replaced by the next spare of its class, so that failures that are more
    frequent in one class do not shift the label distribution; by any spare when none of its class is left. Of these
    the first one of its group (`group_of`) comes first, so that failures do not thin out a group.
    """
    left = list(spares)
    chosen: list[Example] = []
    for point in failed[: len(left)]:
        chosen.append(left.pop(_nearest(point, left, same_target, group_of)))
    return chosen, left


def _nearest(point: Example, left: Sequence[Example], same_target: bool, group_of: Callable[[Example], str]) -> int:
    """The first spare of the point's class and group, else of its class, else of all."""

    def is_alike(spare: Example) -> bool:
        return not same_target or spare.target == point.target

    group = group_of(point)
    first = next((i for i, spare in enumerate(left) if is_alike(spare)), 0)
    return next((i for i, spare in enumerate(left) if is_alike(spare) and group_of(spare) == group), first)


def mix(
    plan: MixturePlan,
    twins: Mapping[str, Synthetic],
    shown: frozenset[str] = frozenset(),
    tuned: frozenset[str] = frozenset(),
) -> Mixture:
    """The training set of human points and twins, in a fixed order.

    Args:
        plan: the design.
        twins: example id -> its twin, of points to replace and of spares.
        shown: ids of the human points that the twins' prompts showed.
        tuned: ids of those that their writer saw when it was tuned.
    """
    points = [Point(example, Origin.HUMAN) for example in (*plan.human, *plan.extra)]
    points += [
        Point(twins[e.id].as_example(), Origin.SYNTHETIC) for e in (*plan.to_replace, *plan.spares) if e.id in twins
    ]
    return Mixture(tuple(points), plan.requested, shown, tuned)


def synthetic_count(fraction: float, n: int) -> int:
    """`fraction` of `n`, halves rounded up, computed with the decimal that the user wrote: 0.975 of 200 is 195."""
    return int(Fraction(str(fraction)) * n + Fraction(1, 2))


def _check_size(spec: MixtureSpec, usable: int, name: str) -> None:
    if spec.n_train + spec.extra_human <= usable:
        return
    size = f"n_train={spec.n_train}" + (f" + extra_human={spec.extra_human}" if spec.extra_human else "")
    possible = max(usable - spec.extra_human, 0)
    raise ConfigError([Problem(size, f"{name} has {usable} usable training points")], f"n_train={possible}")


def _owned(extra: list[str], by_turn: list[str], order: list[str], spec: MixtureSpec, trained: int) -> list[str]:
    """The ids within the human budget: first the extra points, then those that are replaced last, then the rest."""
    if spec.human_budget == "all":
        return order
    budget = int(spec.human_budget)
    if budget < trained:
        what = f"this mixture trains on {trained} human points, more than the budget allows"
        problem = Problem(f"human_budget={budget}", what)
        raise ConfigError([problem], f"human_budget={trained} or more, or a larger synth_frac")
    return list(dict.fromkeys([*extra, *reversed(by_turn), *order]))[:budget]
