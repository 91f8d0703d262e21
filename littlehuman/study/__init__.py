"""A study as data: a folder of cells that are compared.

    results.load -> series (what belongs together) -> sheets (scores of single test items) -> comparisons

`table` rewrites `table.csv`, `scored` reads (n_synthetic, n_human, score), of a CSV by `score_csv`; `analysis` compares the texts.
"""
