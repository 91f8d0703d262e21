"""The synthetic side of a mixture: each human point's twin.

writing    rounds of requests, until there are enough twins or no spare point is left
requests   the requests of one round
answers    what could be read out of its answers
"""

from littlehuman.twins.writing import Twins, beside_their_originals, write

__all__ = ["Twins", "beside_their_originals", "write"]
