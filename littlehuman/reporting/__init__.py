"""From a study to its report: `littlehuman report`.

gathering (study.lines, worth.tradeoff, accounts) -> verdicts -> findings (sentences) and tables -> page
"""
