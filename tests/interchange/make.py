"""Makes small random GPT-2s with transformers, and says what they compute.

    python make.py DIR [SEED]

Each folder in DIR has a file `expected.json` of ids and their logits, computed
in f32 from the weights as they are in the files. With seed 1609 they are those
beside this file, in `folders`.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Model,
    PreTrainedTokenizerFast,
)

HERE = Path(__file__).parent
SONNETS = HERE / "../../chapters-code/data/sonnets.txt"
TEXTS = [
    "Shall I compare thee to a summer's day?\n",
    "  two spaces,  it's 1609; na\u00efve \u2013 \U0001f339\n\n",
]


def sizes(n_layer, n_head, n_embd, n_positions, vocab_size, **others):
    return GPT2Config(
        n_layer=n_layer,
        n_head=n_head,
        n_embd=n_embd,
        n_positions=n_positions,
        vocab_size=vocab_size,
        bos_token_id=0,
        eos_token_id=0,
        **others,
    )


def shaken(config, generator):
    """Weights larger than initial ones, and no gain one, no bias zero."""
    model = GPT2LMHeadModel(config).eval()
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        ones = parameter.dim() == 1 and bool((parameter == 1).all())
        with torch.no_grad():
            parameter.copy_(0.2 * noise + (1.0 if ones else 0.0))
    return model


def expect(folder, generator, more=None):
    """Writes down what transformers makes of the folder."""
    # Of a folder without a head, the head is the token table
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    config = model.config
    ids, logits = [], []
    for length in [1, 2, config.n_positions]:
        row = torch.randint(config.vocab_size, (1, length), generator=generator)
        with torch.no_grad():
            rows = model(row).logits[0].tolist()
        logits.append([[round(z, 6) for z in row] for row in rows])
        ids.append(row[0].tolist())
    expected = {"parameters": model.num_parameters(), "ids": ids}
    expected |= {"logits": logits} | (more or {})
    (folder / "expected.json").write_text(json.dumps(expected))


def tokenizer(folder):
    """Bytes, and pairs of them as often as the sonnets have them."""
    bpe = ByteLevelBPETokenizer()
    bpe.train(
        str(SONNETS),
        vocab_size=300,
        min_frequency=1,
        special_tokens=["<|endoftext|>"],
        show_progress=False,
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer)
    fast.save_pretrained(folder)
    ids = [fast(text).input_ids for text in TEXTS]
    return {"texts": TEXTS, "encoded": ids}


def main(target, seed):
    generator = torch.Generator().manual_seed(seed)

    folder = target / "f32-tokens"
    model = shaken(sizes(2, 4, 16, 12, 300), generator)
    model.save_pretrained(folder)
    expect(folder, generator, tokenizer(folder))

    folder = target / "f16-no-head"
    model = GPT2Model(sizes(1, 1, 8, 9, 17)).eval()
    whole = shaken(model.config, generator).transformer
    whole.half().save_pretrained(folder)
    expect(folder, generator)

    folder = target / "bf16-shards"
    model = shaken(sizes(3, 3, 12, 7, 40), generator)
    model.bfloat16().save_pretrained(folder, max_shard_size="4KB")
    expect(folder, generator)

    folder = target / "f32-head-equal"
    config = sizes(1, 8, 8, 5, 11, tie_word_embeddings=False)
    model = shaken(config, generator)
    with torch.no_grad():
        model.lm_head.weight.copy_(model.transformer.wte.weight)
    model.save_pretrained(folder)
    expect(folder, generator)

    folder = target / "f32-head-other"
    model = shaken(config, generator)
    model.save_pretrained(folder)
    expect(folder, generator)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1609)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
