"""A study as data: a folder of cells that are compared.

    load -> series (what belongs together) -> item_scores, clusters -> comparisons (one model per curve)
         -> floors, curve_warnings -> replacement (curves with verdicts), control_comparison -> answers (JSON)

`missing` lists cells without a result, `table` rewrites `table.csv`, `text_comparison` compares twins with their
originals, and `scores` reads (n_synthetic, n_human, score) of a study or a CSV for price and plan.
"""
