"""From runs to what a human label is worth: `littlehuman price` (Section 4 of the paper).

    fits (three curves) -> curve (synthetic points alone) -> exchange -> valuation -> verdict -> price -> words

`caveats` says what must stand beside the number, `prices` checks the user's two prices, `tradeoff` values a whole study.

"""
