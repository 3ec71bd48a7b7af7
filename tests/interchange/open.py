"""Opens a folder as anybody would, and answers questions about it.

    python open.py DIR <questions.json >answers.json

The questions are lists of ids, whose logits are wanted, and texts, to be gone
on with greedily up to the last position.
"""

import json
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel


def main(folder):
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(1)
    questions = json.load(sys.stdin)
    model = GPT2LMHeadModel.from_pretrained(folder)
    assert type(AutoModelForCausalLM.from_pretrained(folder)) is type(model)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    logits = []
    with torch.no_grad():
        for ids in questions["ids"]:
            logits.append(model(torch.tensor([ids])).logits[0].tolist())
    encoded = [tokenizer(text).input_ids for text in questions["texts"]]
    written = []
    for text in questions["texts"]:
        inputs = tokenizer(text, return_tensors="pt")
        outputs = model.generate(**inputs, do_sample=False)
        written.append(tokenizer.decode(outputs[0]))
    try:
        strangers = tokenizer("§").input_ids
    except Exception as error:
        strangers = str(error)
    json.dump(
        {
            "parameters": model.num_parameters(),
            "logits": logits,
            "encoded": encoded,
            "decoded": [tokenizer.decode(ids) for ids in encoded],
            "written": written,
            "inputs": sorted(tokenizer("t")),
            "strangers": strangers,
            "versions": [torch.__version__, transformers.__version__],
        },
        sys.stdout,
    )


main(sys.argv[1])
