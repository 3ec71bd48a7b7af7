"""What this version of transformers asks of the configurations of a GPT-2.

    python fields.py DIR >answers.json

DIR is opened, continues a text and is saved again, while every attribute of
its configuration that anything reads is written down. What is asked of the
tokenizer's configuration is read off the source of its classes.
"""

import inspect
import json
import re
import sys
import tempfile

import torch
import transformers
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2TokenizerFast,
    PreTrainedTokenizerFast,
)
from transformers.activations import ACT2FN


def read_of_config(folder):
    """The attributes that are read, whether the file has them or not."""
    fields, read = set(GPT2Config().to_dict()), set()
    plain = GPT2Config.__getattribute__

    def recorder(self, name):
        read.add(name)
        return plain(self, name)

    GPT2Config.__getattribute__ = recorder
    for attention in ["eager", "sdpa"]:
        model = GPT2LMHeadModel.from_pretrained(
            folder, attn_implementation=attention
        )
        ids = torch.tensor([[1, 2, 3]])
        model(ids, labels=ids)
        model.generate(ids, max_new_tokens=2, do_sample=False)
        with tempfile.TemporaryDirectory() as elsewhere:
            model.save_pretrained(elsewhere)
    GPT2Config.__getattribute__ = plain
    # Methods, and what belongs to the class
    read = {name for name in read if name in fields or not hasattr(GPT2Config, name)}
    return {name for name in fields | read if not name.startswith("_")}


def asked_of_tokenizer():
    """What classes and functions take out of the settings, by name."""
    asked = set()
    classes = GPT2TokenizerFast.__mro__ + PreTrainedTokenizerFast.__mro__
    for source in {*classes, AutoTokenizer} - {object}:
        text = inspect.getsource(source)
        for pattern in [
            r'kwargs\.(?:pop|get|setdefault)\(\s*"(\w+)"',
            r'tokenizer_config\.get\("(\w+)"',
            r'init_kwargs\["(\w+)"\]',
            r'"(\w+)" (?:not )?in (?:init_)?kwargs',
        ]:
            asked |= set(re.findall(pattern, text))
        if "__init__" in vars(source):
            asked |= set(inspect.signature(source.__init__).parameters)
    return asked - {"self", "args", "kwargs"}


def activations():
    """What each function makes of some numbers; None if it cannot."""
    grid = torch.linspace(-8, 8, 1601)
    answers = {}
    for name in ACT2FN:
        try:
            with torch.no_grad():
                answers[name] = ACT2FN[name](grid).tolist()
        except Exception:
            answers[name] = None
    return {"grid": grid.tolist(), "values": answers}


transformers.utils.logging.set_verbosity_error()
json.dump(
    {
        "versions": [torch.__version__, transformers.__version__],
        "aliases": GPT2Config.attribute_map,
        "config": sorted(read_of_config(sys.argv[1])),
        "tokenizer": sorted(asked_of_tokenizer()),
        "activations": activations(),
    },
    sys.stdout,
)
