from __future__ import annotations

import random

from littlehuman.audit.encoding import Encoder
from littlehuman.audit.minhash import near_pairs
from littlehuman.mixture.text_matching import jaccard, words


def test_near_pairs_are_those_of_a_comparison_of_all_with_all() -> None:
    rng = random.Random(0)
    vocabulary = [f"word{i}" for i in range(60)]
    left = [" ".join(rng.sample(vocabulary, rng.randint(4, 20))) for _ in range(150)]
    changed = [" ".join(rng.choice(vocabulary) if rng.random() < 0.07 else w for w in text.split()) for text in left]
    right = [*changed, *(" ".join(rng.sample(vocabulary, 8)) for _ in range(150))]
    encoder = Encoder()
    a, b = encoder.encode(left), encoder.encode(right)
    found = {(i, j): x for i, j, x in zip(*(part.tolist() for part in near_pairs(a, b)), strict=True)}
    sets = [[set(words(text)) for text in side] for side in (left, right)]
    true = {
        (int(a.rows[i]), int(b.rows[j])): jaccard(s, t) for i, s in enumerate(sets[0]) for j, t in enumerate(sets[1])
    }
    expected = {pair: x for pair, x in true.items() if x >= 0.8}
    assert len(expected) > 80
    assert found == expected


def test_the_same_texts_give_the_same_pairs_in_any_order_of_the_vocabulary() -> None:
    texts = [f"{a} {b} {c} {a}{b} {b}{c} {c}{a}" for a in "abc" for b in "def" for c in "gh"]

    def pairs(before: list[str]) -> set[tuple[str, str]]:
        encoder = Encoder()
        encoder.encode(before)
        side = encoder.encode(texts)
        i, j, _ = near_pairs(side, side, 0.6)
        return {(texts[x], texts[y]) for x, y in zip(i.tolist(), j.tolist(), strict=True)}

    assert pairs([]) == pairs(["zz yy", *reversed(texts)])
