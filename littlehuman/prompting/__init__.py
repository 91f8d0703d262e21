"""From human points to requests for their twins, and from answers to twins.

requests       points -> prompts, and the key by which an answer is found in the cache
few_shot       which human points a prompt shows as examples
class_descriptions  whether what a strategy says of the classes fits them
class_comparison    the request to an encoder: which class is nearest
templates      the fields of a strategy's prompt templates, and what makes a template unusable
answer_schema  the answer form as JSON schema, for endpoints with structured outputs
parsing        a completion -> a twin, or a rejection with its cause
class_matching the class that a label names
lone_answers   an annotator's label or short answer without its marker
thoughts       what of a completion is outside of its reasoning traces
containers     what `<answer>` and `\\boxed` hold
"""

from littlehuman.prompting.requests import build_prompts, distinct_requests, repeat_indices, request_key

__all__ = ["build_prompts", "distinct_requests", "repeat_indices", "request_key"]
