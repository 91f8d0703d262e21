"""From a study to its report: `python -m littlehuman.report`.

gathering (lines, accounts) -> verdicts -> findings (sentences) and tables -> page (with `figures`)
"""
