"""The folder in vLLM on a CPU.

    python vllm_text.py FOLDER QUESTIONS

It gives logarithms of probabilities, so the differences are of these.
"""

import math
import os
import sys

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")

from common import Questions, answer, attempt  # noqa: E402


def normalized(row):
    highest = max(row)
    total = math.log(sum(math.exp(z - highest) for z in row)) + highest
    return [z - total for z in row]


def main(folder, questions):
    from vllm import LLM, SamplingParams

    size = questions.vocab_size
    model = LLM(folder, dtype="float32", enforce_eager=True, max_logprobs=-1)
    # A row for padding has a probability too, of next to nothing
    every = {"temperature": 0, "logprobs": -1}

    def parameters(prompt):
        room = questions.block_size - len(prompt["ids"])
        return SamplingParams(max_tokens=room, **every)

    prompts = questions.prompts
    outputs = model.generate(
        [prompt["text"] for prompt in prompts],
        [parameters(prompt) for prompt in prompts],
    )
    texts, largest = {}, 0.0
    for prompt, output in zip(prompts, outputs):
        completion = output.outputs[0]
        texts[prompt["text"]] = prompt["text"] + completion.text
        assert output.prompt_token_ids == prompt["ids"]
        rows = prompt["logits"][len(prompt["ids"]) - 1 :]
        for ours, theirs in zip(rows, completion.logprobs):
            ours = normalized(ours)
            row = [theirs[i].logprob for i in range(size)]
            largest = max(largest, *(abs(a - b) for a, b in zip(ours, row)))

    def to_the_end():
        """Stops by itself at the last position."""
        free = SamplingParams(max_tokens=None, temperature=0)
        output = model.generate(prompts[0]["text"], free)[0]
        text = prompts[0]["text"] + output.outputs[0].text
        if text != prompts[0]["whole_text"]:
            return repr(text)

    also = {"stops at the context's end": attempt(to_the_end)}
    return questions.differing(texts.get), largest, also


if __name__ == "__main__":
    # What it prints on the standard output goes elsewhere, the engine's too
    out = os.dup(1)
    os.dup2(2, 1)
    differing, apart, also = main(sys.argv[1], Questions(sys.argv[2]))
    sys.stdout.flush()
    os.dup2(out, 1)
    packages = ["vllm-cpu", "transformers", "torch"]
    answer("vLLM", packages, differing, apart, also)
