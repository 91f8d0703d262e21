"""A study as data: a folder of cells that are compared.

    frame (results.load) -> series (what belongs together) -> item_scores (scores of single test items) -> comparisons -> lines

`gaps` lists what is missing, `table` rewrites `table.csv`, `analysis` compares the texts, and `scored` reads
(n_synthetic, n_human, score), of a CSV by `score_csv`.
"""
