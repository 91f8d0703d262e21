"""vLLM in this process (`prompt_model.provider=vllm`), for those who have it installed.

In: prompts, consumed lazily. Out: completions as they are done. Prompts have the same tokens as with provider hf.
vLLM forms its batches itself (continuous batching), so rounding can make an answer depend on its neighbours. It
chooses its GPUs itself (CUDA_VISIBLE_DEVICES), whatever `prompt_model.device` says; `prompt_model.tensor_parallel` of
them hold the weights together.

The engine is built once for a process: further rounds of requests and the cells of a sweep find it. It gives its GPU
memory back while a training runs, by vLLM's sleep mode (level 1: weights to the main memory), where the platform has
it. It is built anew for other weights, and for prompts that are much longer than the first ones.

NOT RUN ON A GPU: no machine of this project had one. The code follows vLLM's documented interface (`LLM`, `LLMEngine`,
`SamplingParams`, sleep mode); the tests replace the engine by a stand-in.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, islice
from typing import Any

from littlehuman.errors import GenerationError
from littlehuman.prompt_models.settings import InProcess
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig

IN_FLIGHT = 1024  # requests that the engine has at once: more than it decodes together; the longest decides its length
SHORTEST = (
    4096  # tokens of a prompt and its answer that an engine takes at least: room costs nothing, building anew does
)
INSTALL = "python -m pip install vllm  (in an environment of its own: it pins its own torch; it needs a GPU)"
Row = tuple[str, list[int]]  # a request's key, and its tokens
_held: _Engine | None = None


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
        """Yield the answers as they are done; a prompt that is too long for the model is a `Failure`.

        Raises:
            WeightsError: when the weights cannot be loaded.
        """
        from littlehuman.models.chat_template import load_without_weights, longest_prompt, render, too_long
        from littlehuman.models.weights import commit_of, resolve

        path = resolve(str(self.config.weights), "prompt_model.weights")
        commit = commit_of(path, self.config.revision, "prompt_model.weights")
        tokenizer, config, ends = load_without_weights(path, commit)
        longest, sampling = longest_prompt(config, max_tokens), self._sampling(tokenizer, ends, max_tokens)
        rows: Iterator[Row] = ((prompt.key, render(tokenizer, prompt.messages)) for prompt in prompts)
        while first := list(islice(rows, IN_FLIGHT)):
            fitting = [row for row in first if len(row[1]) <= longest]
            yield from (Failure(k, too_long(len(ids), longest, max_tokens)) for k, ids in first if len(ids) > longest)
            if fitting:
                needed = max(len(ids) for _, ids in fitting) + max_tokens
                rows = yield from _answers(
                    self._engine(path, commit, needed, longest + max_tokens), chain(fitting, rows), max_tokens, sampling
                )

    def _engine(self, path: str, commit: str | None, needed: int, most: float) -> _Engine:
        how: dict[str, Any] = {"revision": commit, "tokenizer_revision": commit, "dtype": self.config.dtype}
        how |= {"tensor_parallel_size": self.config.tensor_parallel}
        return _engine(self.vllm, {"model": path} | how, needed, most)

    def _sampling(self, tokenizer: Any, ends: list[int], max_tokens: int) -> dict[str, Any]:
        """The sampling parameters that all requests share."""
        from littlehuman.models.chat_template import stop_texts

        return {
            "temperature": self.config.temperature,
            "top_p": max(self.config.top_p or 0.0, 1e-6),  # vLLM refuses 0
            "max_tokens": max_tokens,
            "stop": stop_texts(tokenizer),
            "stop_token_ids": ends,
            "output_kind": import_module("vllm.sampling_params").RequestOutputKind.FINAL_ONLY,
        }


@dataclass
class _Engine:
    """vLLM's engine: `llm`, what it was built with, and the tokens of the longest prompt with its answer."""

    vllm: Any
    llm: Any
    how: dict[str, Any]
    max_model_len: int
    sleeps: bool
    asleep: bool = False

    def sleep(self) -> None:
        """Give the GPU's memory back; where the platform has no sleep mode, by ending the engine."""
        if not self.sleeps:
            _end()
        elif not self.asleep:
            self.llm.sleep(level=1)
            self.asleep = True

    def wake(self) -> None:
        """Take the memory again."""
        if self.asleep:
            self.llm.wake_up()
            self.asleep = False


def _answers(
    engine: _Engine, rows: Iterator[Row], max_tokens: int, sampling: dict[str, Any]
) -> Generator[Completion | Failure, None, Iterator[Row]]:
    """Keep the engine filled, and yield answers as they are done; returns the rows that it is too short for."""
    core, seeded = engine.llm.llm_engine, bool(sampling["temperature"])
    too_long, asked = list[Row](), dict[str, int]()
    try:
        while True:
            for key, ids in islice(rows, IN_FLIGHT - len(asked)):
                if len(ids) + max_tokens > engine.max_model_len:
                    too_long.append((key, ids))
                    continue
                seed = {"seed": int(key, 16) % 2**63} if seeded else {}  # a seed each leaves vLLM's fast sampler
                core.add_request(key, {"prompt_token_ids": ids}, engine.vllm.SamplingParams(**sampling, **seed))
                asked[key] = len(ids)
            if not asked:
                return chain(too_long, rows)
            for output in core.step():
                if output.finished:
                    answer, tokens = output.outputs[0], asked.pop(output.request_id)
                    finish, used = answer.finish_reason or "", len(answer.token_ids)
                    yield Completion(output.request_id, answer.text, finish, tokens, used)
    finally:
        if asked:  # the caller wants no more
            core.abort_request(list(asked))


def _engine(vllm: Any, how: dict[str, Any], needed: int, most: float) -> _Engine:
    """The engine of this process, awake, with room for `needed` tokens of the `most` that the model reads."""
    global _held
    from littlehuman.models import base_model, chat, memory_holders
    from littlehuman.models.devices import has_sleep_mode

    if _held and (_held.how != how or _held.max_model_len < needed):
        _end()
    if _held is None or _held.asleep:
        chat.release(on_gpu_only=True)
        base_model.release(on_gpu_only=True)
    if _held is None:
        length, sleeps = int(min(max(SHORTEST, 2 ** (needed - 1).bit_length()), most)), has_sleep_mode()
        options = {"enable_prefix_caching": True, "generation_config": "vllm", "max_model_len": length}
        llm = vllm.LLM(enable_sleep_mode=sleeps, trust_remote_code=False, **options, **how)
        _held = _Engine(vllm, llm, how, length, sleeps)
        memory_holders.register("vllm", _give_back)
    _held.wake()
    return _held


def _give_back() -> None:
    if _held:
        _held.sleep()


def _end() -> None:
    """End the engine; its process ends when nothing refers to it any more."""
    global _held
    from littlehuman.models.base_model import free_memory

    _held = None
    free_memory()


def _vllm() -> Any:
    try:
        return import_module("vllm")
    except ImportError as error:
        raise GenerationError(
            f"prompt_model.provider=vllm: vLLM could not be loaded ({error}).\nTry: {INSTALL}; "
            "or prompt_model.provider=hf; or start `vllm serve` elsewhere and use prompt_model=openai_compatible"
        ) from error
