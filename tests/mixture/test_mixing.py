"""Mixture design: which points are human or synthetic; sets are nested and paired, and a shortfall is reported."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from littlehuman.errors import ConfigError
from littlehuman.mixture.mixing import MixturePlan, MixtureSpec, mix, plan_mixture, stand_ins, synthetic_count
from littlehuman.records import Example, Mixture, Origin, Synthetic

FRACTIONS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 1.0)


def _train(count: int = 400) -> list[Example]:
    return [Example(f"p{i}", f"Passage {i}.", f"Question {i}?", (f"answer {i}",)) for i in range(count)]


def _ids(examples: Iterable[Example]) -> list[str]:
    return [example.id for example in examples]


def _plan(
    n: int = 200, fraction: float = 0.5, seed: int = 0, train: list[Example] | None = None, **spec: object
) -> MixturePlan:
    return plan_mixture(_train() if train is None else train, MixtureSpec(n, fraction, seed, **spec))  # type: ignore[arg-type]


def _twin(example: Example) -> Synthetic:
    return Synthetic(example.id, example.evidence, f"New {example.text}", "new answer", f"key {example.id}")


def _mixed(made: MixturePlan, failing: frozenset[str] = frozenset()) -> Mixture:
    """The mixture when the twins of `failing` cannot be had: spares stand in, in their order."""
    good = [e for e in made.to_replace if e.id not in failing]
    spare = [e for e in made.spares if e.id not in failing][: len(made.to_replace) - len(good)]
    return mix(made, {e.id: _twin(e) for e in good + spare})


def test_exactly_n_points_and_exactly_the_share() -> None:
    draw = random.Random(1)
    for _ in range(200):
        n, fraction, seed = draw.randint(0, 300), round(draw.random(), draw.randint(0, 4)), draw.randint(0, 5)
        made = _plan(n, fraction, seed)
        assert len(made.human) + len(made.to_replace) == n == made.requested
        assert len(made.to_replace) == synthetic_count(fraction, n)
        counts = _mixed(made).counts
        assert counts == {
            "human": n - synthetic_count(fraction, n),
            "synthetic": synthetic_count(fraction, n),
            "total": n,
            "shortfall": 0,
        }


def test_no_point_stands_in_a_set_twice() -> None:
    made = _plan(150, 0.6, 3, extra_human=20)
    everyone = _ids((*made.human, *made.to_replace, *made.extra, *made.spares))
    assert len(everyone) == len(set(everyone)) == 400
    mixed = [p.example.id for p in _mixed(made).points]
    assert len(mixed) == len(set(mixed)) == 170


def test_mixtures_are_nested() -> None:
    for seed in (0, 1, 2):
        for n in (50, 200, 333):
            plans = [_plan(n, fraction, seed) for fraction in FRACTIONS]
            for fewer, more in zip(plans, plans[1:], strict=False):
                assert set(_ids(fewer.to_replace)) <= set(_ids(more.to_replace))
                assert set(_ids(more.human)) <= set(_ids(fewer.human))
                assert {*_ids(fewer.human), *_ids(fewer.to_replace)} == {*_ids(more.human), *_ids(more.to_replace)}


def test_the_human_points_of_97_5_percent_are_among_those_of_95_percent() -> None:
    high, low = _plan(200, 0.975), _plan(200, 0.95)
    assert len(high.human) == 5 and len(low.human) == 10
    assert set(_ids(high.human)) < set(_ids(low.human))


def test_a_smaller_n_is_a_part_of_a_larger_one() -> None:
    draw = random.Random(2)
    for _ in range(50):
        small, large, seed = *sorted((draw.randint(0, 400), draw.randint(0, 400))), draw.randint(0, 3)
        for fraction in (0.0, 0.3, 1.0):
            inside, wide = _plan(small, fraction, seed), _plan(large, fraction, seed)
            own = set(_ids(_all(inside)))
            assert own <= set(_ids(_all(wide)))
            # Who turns first is one ordering too: of two points that both sets hold, both agree who is the more human.
            order = [i for i in _ids((*wide.to_replace, *wide.human)) if i in own]
            assert order == _ids((*inside.to_replace, *inside.human))


def _all(made: MixturePlan) -> list[Example]:
    return [*made.human, *made.to_replace]


def test_two_seeds_differ_in_who_is_there_and_in_who_is_human() -> None:
    zero, one = _plan(100, 0.5, 0), _plan(100, 0.5, 1)
    assert set(_ids(_all(zero))) != set(_ids(_all(one)))
    assert set(_ids(_plan(400, 0.5, 0).human)) != set(_ids(_plan(400, 0.5, 1).human))


def test_the_order_of_the_rows_changes_nothing() -> None:
    shuffled = _train()
    random.Random(3).shuffle(shuffled)
    assert _plan(120, 0.4, 5, shuffled, extra_human=9) == _plan(120, 0.4, 5, extra_human=9)


def test_rows_that_are_added_reshuffle_nothing() -> None:
    before, after = _plan(100, 0.5, train=_train(300)), _plan(100, 0.5, train=_train(330))
    stayed = [i for i in _ids(_all(after)) if int(i[1:]) < 300]
    pushed_out = set(_ids(_all(before))) - set(stayed)
    assert set(stayed) < set(_ids(_all(before)))
    assert len(pushed_out) == 100 - len(stayed) <= 30
    whole_before, whole_after = _plan(300, 0.5, train=_train(300)), _plan(330, 0.5, train=_train(330))
    order_before = _ids((*whole_before.to_replace, *whole_before.human))
    order_after = [i for i in _ids((*whole_after.to_replace, *whole_after.human)) if int(i[1:]) < 300]
    assert order_before == order_after


def test_extra_human_points_are_the_same_for_every_n_and_fraction_and_stand_beside_the_n() -> None:
    expected = _ids(_plan(10, 0.5, extra_human=30).extra)
    for n in (0, 100, 370):
        for fraction in (0.0, 0.9, 1.0):
            made = _plan(n, fraction, extra_human=30)
            assert _ids(made.extra) == expected
            assert not set(expected) & set(_ids((*made.human, *made.to_replace, *made.spares)))
    assert set(_ids(_plan(10, 0.5, extra_human=10).extra)) < set(expected)
    assert _mixed(_plan(100, 1.0, extra_human=30)).counts == {
        "human": 30,
        "synthetic": 100,
        "total": 130,
        "shortfall": 0,
    }


def test_the_control_without_twins_keeps_the_same_human_points() -> None:
    for fraction in FRACTIONS:
        whole, control = _plan(200, fraction), _plan(200, fraction, synthetic=False)
        assert control.human == whole.human
        assert control.to_replace == control.spares == ()
        assert _mixed(control).counts["total"] == control.requested == len(whole.human)


def test_without_a_budget_all_human_points_are_owned() -> None:
    assert set(_ids(_plan(20, 0.9).owned)) == set(_ids(_train()))


def test_a_budget_is_kept_and_holds_all_points_that_are_trained_on() -> None:
    draw = random.Random(4)
    for _ in range(100):
        n, fraction, extra = draw.randint(0, 300), round(draw.random(), 2), draw.randint(0, 50)
        trained = n - synthetic_count(fraction, n) + extra
        budget = draw.randint(trained, 450)
        made = _plan(n, fraction, 1, extra_human=extra, human_budget=budget)
        owned = _ids(made.owned)
        assert len(owned) == len(set(owned)) == min(budget, 400)
        assert set(_ids((*made.human, *made.extra))) <= set(owned)


def test_a_budget_below_what_is_trained_on_is_refused_with_the_number_that_would_do() -> None:
    _plan(100, 0.9, human_budget=10)
    with pytest.raises(ConfigError) as caught:
        _plan(100, 0.9, human_budget=9)
    assert "human_budget=9" in str(caught.value) and "trains on 10 human points" in str(caught.value)
    assert "human_budget=10 or more" in str(caught.value)
    assert _plan(100, 1.0, human_budget=0).owned == ()


def test_a_budget_buys_the_same_labels_at_every_fraction() -> None:
    owned = [set(_ids(_plan(200, fraction, human_budget=60).owned)) for fraction in (0.7, 0.9, 0.975, 1.0)]
    assert all(labels == owned[0] for labels in owned)
    assert set(_ids(_plan(200, 0.9, human_budget=40).owned)) < owned[0]


def test_spares_stand_in_for_failed_twins_in_a_fixed_order_and_the_same_way_at_two_fractions() -> None:
    failing = frozenset(_ids(_plan(200, 0.5).to_replace)[:7])
    low, high = _plan(200, 0.5), _plan(200, 0.9)
    assert low.spares == high.spares
    stand_ins = []
    for made in (low, high):
        mixture = _mixed(made, failing)
        assert mixture.counts["shortfall"] == 0
        ids = [p.example.id for p in mixture.points if p.origin is Origin.SYNTHETIC]
        assert not failing & set(ids)
        stand_ins.append([i for i in ids if i not in set(_ids(made.to_replace))])
    assert stand_ins[0] == stand_ins[1] == _ids(low.spares)[:7]
    assert _mixed(low, failing).fingerprint == _mixed(_plan(200, 0.5), failing).fingerprint


def test_a_set_that_stays_short_says_by_how_much() -> None:
    made = _plan(400, 0.5)
    assert made.spares == ()
    failing = frozenset(_ids(made.to_replace)[:3])
    assert _mixed(made, failing).counts == {"human": 200, "synthetic": 197, "total": 397, "shortfall": 3}


def test_more_points_than_there_are_is_refused_with_a_command_that_works() -> None:
    with pytest.raises(ConfigError) as caught:
        plan_mixture(_train(), MixtureSpec(390, 0.95, 0, extra_human=20), "ferries")
    text = str(caught.value)
    assert "n_train=390 + extra_human=20" in text and "ferries has 400 usable training points" in text
    assert "Try: n_train=380" in text


def test_an_empty_mixture_is_possible() -> None:
    assert _mixed(_plan(0, 0.5)).counts == {"human": 0, "synthetic": 0, "total": 0, "shortfall": 0}
    assert len(_mixed(_plan(0, 0.5, extra_human=5)).points) == 5


def test_a_mixture_counts_its_human_labels_once_wherever_they_were_used() -> None:
    made = _plan(10, 0.5)
    shown = frozenset([made.human[0].id, made.to_replace[0].id])
    mixture = mix(made, {e.id: _twin(e) for e in made.to_replace}, shown)
    assert mixture.human_labels == {"in_training": 5, "in_prompts": 2, "total": 6}


def test_twins_come_with_their_own_text_and_the_evidence_of_their_human_point() -> None:
    made = _plan(4, 1.0)
    for point, human in zip(_mixed(made).points, made.to_replace, strict=True):
        assert (point.example.id, point.example.evidence) == (human.id, human.evidence)
        assert point.example.text == f"New {human.text}" and point.example.targets == ("new answer",)


def test_a_failed_twin_is_replaced_by_a_point_of_its_own_class() -> None:
    spares = [
        Example(f"s{i}", f"evidence {i}", f"claim {i}", (label,)) for i, label in enumerate(["no", "no", "yes", "yes"])
    ]
    failed = [Example("f1", "a", "a", ("yes",)), Example("f2", "b", "b", ("yes",)), Example("f3", "c", "c", ("yes",))]
    chosen, left = stand_ins(failed, spares, same_target=True)
    assert [e.id for e in chosen] == ["s2", "s3", "s0"]  # then any, because n comes first
    assert [e.id for e in left] == ["s1"]
    assert [e.id for e in stand_ins(failed, spares, same_target=False)[0]] == ["s0", "s1", "s2"]
    assert stand_ins(failed, [], same_target=True) == ([], [])


def test_stand_ins_keep_a_group_from_which_more_twins_fail() -> None:
    """Of 200 points half are letters, whose twins fail: 50 of 100, against 5 of the others."""
    points = [Example(f"p{i}", f"Evidence {i}", f"{'letter' if i % 2 else 'play'} {i}", ("a",)) for i in range(400)]
    wanted, spares = points[:200], points[200:]
    failed = [e for i, e in enumerate(wanted) if (i % 2 and i < 100) or i in range(0, 10, 2)]

    def letters(**settings: Callable[[Example], str]) -> int:
        chosen, _ = stand_ins(failed, spares, same_target=True, **settings)
        return sum("letter" in e.text for e in [*(e for e in wanted if e not in failed), *chosen])

    assert letters() == 77  # stand-ins of both groups: the letters are thinned out
    assert letters(group_of=lambda example: example.text.split()[0]) == 100
