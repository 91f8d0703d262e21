"""Languages of texts: their codes, their scripts, and how answers in them are normalised and cut into words."""

from littlehuman.languages.detection import foreign_share, language_of_points, scoring_of
from littlehuman.languages.rules import ENGLISH, Language, code_problem, rules_of, rules_of_result

__all__ = [
    "ENGLISH",
    "Language",
    "code_problem",
    "foreign_share",
    "language_of_points",
    "rules_of",
    "rules_of_result",
    "scoring_of",
]
