"""Data quality audit of a training set: contamination, fidelity, diversity, factuality, bias. Nothing is removed.

In: a training set of human and synthetic points, the human points behind it, and the test split (`sets`). Out: counts,
shares and ids, without any text, which the run folder keeps as `audit.json` (`artifact`). One measure a file:

contamination   what training and test share: the same words, near duplicates (`minhash`), n-grams
copies          twins that copy other human points, or a question of the test split with its answer
diversity       distinct texts, n-grams, compression, Vendi score, self-BLEU, each beside human texts (`collapse`)
fidelity        how twins differ from human texts: features, and a classifier two-sample test (`two_sample`)
groups          labels and errors by group (`group_tests`)
factuality      a judge's share of right points, corrected for the judge's errors
alarms          which of these are out of the ordinary
"""
