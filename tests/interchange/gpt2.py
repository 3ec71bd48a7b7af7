"""Makes a GPT-2 of 124M with random weights, or writes with transformers.

    python gpt2.py make DIR
    python gpt2.py write DIR LENGTH [THREADS]

The second goes on greedily from the prompt, with a cache, and prints one line
of JSON: how fast, the text, and the most memory that the process ever held.
Loading is not counted, reading the prompt is.
"""

import json
import resource
import sys
import time
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

PROMPT = "Shall I compare thee to a summer's day?"
ROWS = [0, 3, 7]  # positions whose logits are written down


def tokenizer(vocab_size):
    """All bytes, and so many pairs of them: as many tokens as GPT-2 has."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [(a, b) for a in alphabet for b in alphabet]
    pairs = pairs[: vocab_size - 1 - len(alphabet)]
    tokens = alphabet + [a + b for a, b in pairs]
    bpe = models.BPE({token: i for i, token in enumerate(tokens)}, pairs)
    whole = Tokenizer(bpe)
    whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    whole.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=whole, eos_token="<|endoftext|>"
    )


def make(folder):
    torch.manual_seed(124)
    model = GPT2LMHeadModel(GPT2Config()).eval()
    model.save_pretrained(folder)
    words = tokenizer(model.config.vocab_size)
    assert len(words) == model.config.vocab_size
    words.save_pretrained(folder)
    ids = words(PROMPT).input_ids
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    expected = {"parameters": model.num_parameters(), "ids": ids}
    expected |= {"rows": ROWS, "logits": [logits[i].tolist() for i in ROWS]}
    (folder / "expected.json").write_text(json.dumps(expected))


def by_hand(model, ids, length):
    """What `generate` does, and nothing around it."""
    output = model(torch.tensor([ids]), use_cache=True, logits_to_keep=1)
    written = []
    while True:
        next_id = output.logits[0, -1].argmax()
        written.append(next_id.item())
        if len(written) == length:
            return written
        cache = output.past_key_values
        output = model(
            next_id.view(1, 1), past_key_values=cache, use_cache=True
        )


def write(folder, length, threads):
    torch.set_num_threads(threads)
    model = GPT2LMHeadModel.from_pretrained(folder).eval()
    words = AutoTokenizer.from_pretrained(folder)
    ids = words(PROMPT).input_ids
    settings = {"do_sample": False, "use_cache": True, "eos_token_id": None}
    with torch.inference_mode():
        by_hand(model, ids, 8)  # warm up
        start = time.perf_counter()
        written = by_hand(model, ids, length)
        speed = length / (time.perf_counter() - start)
        start = time.perf_counter()
        again = model.generate(
            torch.tensor([ids]), max_new_tokens=length, **settings
        )
        generate = length / (time.perf_counter() - start)
    assert again[0].tolist() == ids + written
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = {"generate": generate, "by_hand": speed, "peak_kib": peak}
    answer |= {"text": words.decode(ids + written)}
    answer |= {"versions": [torch.__version__, transformers.__version__]}
    print(json.dumps(answer))


if __name__ == "__main__":
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    folder = Path(sys.argv[2])
    if sys.argv[1] == "make":
        make(folder)
    else:
        threads = int(sys.argv[4]) if len(sys.argv) > 4 else 2
        write(folder, int(sys.argv[3]), threads)
