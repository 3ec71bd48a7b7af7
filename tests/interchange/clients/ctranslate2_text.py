"""The folder in CTranslate2, which converts it first.

    python ctranslate2_text.py FOLDER QUESTIONS
"""

import json
import sys
import tempfile
from pathlib import Path

import ctranslate2
import numpy as np
from common import Questions, answer, attempt
from ctranslate2.converters import TransformersConverter
from tokenizers import Tokenizer

folder, questions = sys.argv[1], Questions(sys.argv[2])
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
also = {}


def opened(out):
    """The converted model, if need be with its nulls made empty strings."""
    try:
        return ctranslate2.Generator(out, device="cpu")
    except Exception as error:
        also["opens as converted"] = str(error).splitlines()[0]
        path = Path(out, "config.json")
        config = json.loads(path.read_text())
        names = ["bos_token", "eos_token", "unk_token"]
        nulls = [name for name in names if config.get(name) is None]
        path.write_text(json.dumps(config | dict.fromkeys(nulls, "")))
        also["opens with \"\" for null"] = ", ".join(nulls)
        return ctranslate2.Generator(out, device="cpu")


with tempfile.TemporaryDirectory() as out:
    TransformersConverter(folder).convert(out, force=True)
    model = opened(out)


def tokens(ids):
    return [tokenizer.id_to_token(i) for i in ids]


def logits(ids):
    output = model.forward_batch([tokens(ids)])
    return np.array(output)[0].tolist()


def generate(*texts):
    """All at once. Of a prompt that is included, all but one token count."""
    results = model.generate_batch(
        [tokens(tokenizer.encode(text).ids) for text in texts],
        max_length=questions.block_size - 1,
        sampling_topk=1,
        include_prompt_in_result=True,
    )
    return ["".join(result.sequences[0]) for result in results]


def batch():
    texts = generate(*[prompt["text"] for prompt in questions.prompts])
    texts = dict(zip((p["text"] for p in questions.prompts), texts))
    return questions.differing(texts.get)


also["batch"] = attempt(batch)
packages = ["ctranslate2", "transformers", "torch"]
differing = questions.differing(lambda text: generate(text)[0])
answer("CTranslate2", packages, differing, questions.apart(logits), also)
