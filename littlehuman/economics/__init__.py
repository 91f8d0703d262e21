"""From runs to what a human label is worth and what to buy: `littlehuman price` and `littlehuman plan`.

    runs -> response (one fitted model, as draws) -> human_worth, price_verdict, allocation -> price, plan -> text

`study_model` answers all questions from one model; `identification` says why a layout cannot; `reason_text` has all
words. `paper_equivalent` is the paper's own number (Section 4, Table 3).

`littlehuman next`: `next_look` asks `stopping` whether a replacement study needs more seeds; `look_text` and
`next_text` have its words.
"""
