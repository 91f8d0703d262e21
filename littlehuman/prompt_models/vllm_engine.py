"""vLLM in this process (`prompt_model.provider=vllm`), for those who have it installed.

In: prompts, consumed lazily. Out: completions, a window of prompts at a time. Prompts have the same tokens as with
provider hf; each request has its own seed. vLLM forms its batches itself, so rounding can make an answer depend on
its neighbours. It chooses its GPU itself (CUDA_VISIBLE_DEVICES), whatever `prompt_model.device` says.

NOT RUN: no machine of this project had vLLM and a GPU that it supports. The code follows vLLM's documented offline
interface (`LLM.generate`, `SamplingParams`); the tests replace the engine by a stand-in.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from importlib import import_module
from itertools import islice
from typing import Any

from littlehuman.errors import GenerationError
from littlehuman.prompt_models.settings import InProcess
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig

WINDOW = 1024  # prompts handed to the engine together; their answers are cached before the next window
INSTALL = "python -m pip install vllm  (in an environment of its own: it pins its own torch; it needs a GPU)"


class VllmModel(InProcess):
    """Answers with the weights that `prompt_model.weights` names, decoded by vLLM.

    Raises:
        ConfigError: when none are named, or a setting cannot be followed.
        GenerationError: when vLLM is not installed.
    """

    def __init__(self, config: PromptModelConfig) -> None:
        super().__init__(config)
        self.vllm = _vllm()

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Generator[Completion | Failure, None, None]:
        """Yield the answers window by window; the engine holds its memory until this generator ends.

        Raises:
            WeightsError: when the weights cannot be loaded.
        """
        from littlehuman.models.chat_template import load_without_weights, longest_prompt, render, too_long
        from littlehuman.models.weights import commit_of, resolve

        path = resolve(str(self.config.weights), "prompt_model.weights")
        commit = commit_of(path, self.config.revision, "prompt_model.weights")
        tokenizer, config, ends = load_without_weights(path, commit)
        longest, sampling = longest_prompt(config, max_tokens), self._sampling(tokenizer, ends, max_tokens)
        how = {"revision": commit, "tokenizer_revision": commit, "dtype": self.config.dtype}
        engine = self.vllm.LLM(
            model=path, enable_prefix_caching=True, generation_config="vllm", trust_remote_code=False, **how
        )
        waiting = iter(prompts)
        while window := list(islice(waiting, WINDOW)):
            rows = [(prompt.key, render(tokenizer, prompt.messages)) for prompt in window]
            yield from (
                Failure(key, too_long(len(ids), longest, max_tokens)) for key, ids in rows if len(ids) > longest
            )
            fitting = [(key, ids) for key, ids in rows if len(ids) <= longest]
            seeded = [self.vllm.SamplingParams(seed=int(key, 16) % 2**63, **sampling) for key, _ in fitting]
            outputs = engine.generate([{"prompt_token_ids": ids} for _, ids in fitting], seeded, use_tqdm=False)
            for (key, ids), output in zip(fitting, outputs, strict=True):
                answer = output.outputs[0]
                yield Completion(key, answer.text, answer.finish_reason or "", len(ids), len(answer.token_ids))

    def _sampling(self, tokenizer: Any, ends: list[int], max_tokens: int) -> dict[str, Any]:
        """The sampling parameters that all requests share."""
        from littlehuman.models.chat_template import stop_texts

        return {
            "temperature": self.config.temperature,
            "top_p": max(self.config.top_p or 0.0, 1e-6),  # vLLM refuses 0
            "max_tokens": max_tokens,
            "stop": stop_texts(tokenizer),
            "stop_token_ids": ends,
        }


def _vllm() -> Any:
    try:
        return import_module("vllm")
    except ImportError as error:
        raise GenerationError(
            f"prompt_model.provider=vllm: vLLM could not be loaded ({error}).\nTry: {INSTALL}; "
            "or prompt_model.provider=hf; or start `vllm serve` elsewhere and use prompt_model=openai_compatible"
        ) from error
