"""The synthetic points of a mixture: a twin of each human point that is replaced.

writing    rounds of requests, until there are enough twins or no spare point is left
limit      the spending limit of a cell: its share of what the whole command may spend
enough     whether the points can give as many different twins as are wanted
diversity  how different the texts of a cell's twins are from each other
answers    the requests of one round, and the twins that were parsed out of its answers
"""

from littlehuman.twins.diversity import diversity
from littlehuman.twins.limit import log_limit
from littlehuman.twins.mixture_counts import count_mixture, log_mixture
from littlehuman.twins.writing import Twins, pair_with_originals, write

__all__ = ["Twins", "count_mixture", "diversity", "log_limit", "log_mixture", "pair_with_originals", "write"]
