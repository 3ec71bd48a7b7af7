"""Opens a folder after one edit and another, and says what it then computes.

    python edits.py DIR <edits.json >answers.json

An edit is a file of DIR, a field of it and its value, or a file and its whole
text; the files are as before when the next edit comes. The answer to one of
config.json is the logits of `ids`, to another one the ids of `texts`; or an
error, in words.
"""

import json
import os
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer, GPT2LMHeadModel


def logits(folder, ids):
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return [model(torch.tensor([row])).logits[0].tolist() for row in ids]


def encoded(folder, texts):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return [tokenizer(text).input_ids for text in texts]


def answer(folder, questions, name):
    try:
        if name == "config.json":
            return {"logits": logits(folder, questions["ids"])}
        return {"encoded": encoded(folder, questions["texts"])}
    except BaseException as error:  # those of Rust's panics, too
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def main(folder):
    transformers.utils.logging.set_verbosity(60)
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    questions, out = json.load(sys.stdin), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the libraries print, too
    answers = []
    for name, field, value in questions["edits"]:
        path = folder / name
        before = path.read_bytes() if path.exists() else None
        if field is None:
            path.write_text(value)
        else:
            fields = json.loads(before) if before else {}
            path.write_text(json.dumps(fields | {field: value}))
        answers.append(answer(folder, questions, name))
        path.unlink() if before is None else path.write_bytes(before)
    versions = [torch.__version__, transformers.__version__]
    json.dump({"versions": versions, "answers": answers}, out)


main(Path(sys.argv[1]))
