"""From human points to the requests for their twins.

requests         points -> prompts, and the key by which an answer is found again
worked_examples  which human points a prompt shows
wording          the words of a strategy, and what may be filled in
answer_schema    the answer's form as JSON schema, for endpoints that can hold a model to it
"""

from littlehuman.prompting.requests import places_of, prompts, request_key

__all__ = ["places_of", "prompts", "request_key"]
