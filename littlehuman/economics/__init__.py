"""From runs to what a human label is worth and what to buy: `littlehuman price` and `littlehuman plan`.

    runs -> response (one fitted model, as draws) -> human_worth, price_verdict, allocation -> price, plan -> text

`study_model` answers all questions from one model; `identification` says why a layout cannot; `reason_text` has all
words. `paper_equivalent` is the paper's own number (Section 4, Table 3). `stopping` says when a replacement study needs
no more seeds; no command uses it yet, `benchmarks.simulate.economics` alone does.
"""
