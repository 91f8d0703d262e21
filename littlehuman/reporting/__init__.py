"""From a study to its report: `python -m littlehuman.report`.

gathering (study.lines, worth.tradeoff, accounts) -> verdicts -> findings (sentences) and tables -> page
"""
