"""From runs to what a human label is worth: `python -m littlehuman.price` (Section 4 of the paper).

    fits (three curves) -> curve (synthetic points alone) -> exchange -> valuation -> verdict -> words

`caveats` says what must stand beside the number.
"""
