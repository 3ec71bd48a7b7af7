"""The folder in KerasHub, which reads GPT-2's weights and not our tokenizer.

    python keras_text.py FOLDER QUESTIONS
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras_hub  # noqa: E402
import numpy as np  # noqa: E402
from common import Questions, answer, silence  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

folder, questions = sys.argv[1], Questions(sys.argv[2])
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
with silence():
    model = keras_hub.models.GPT2CausalLM.from_preset(folder, preprocessor=None)
    model.compile(sampler="greedy")


def inputs(ids):
    padded, mask = np.zeros((2, 1, questions.block_size), "int32")
    padded[0, : len(ids)], mask[0, : len(ids)] = ids, 1
    return {"token_ids": padded, "padding_mask": mask}


def logits(ids):
    rows = model.predict(inputs(ids), verbose=0)
    return rows[0, : len(ids)].tolist()


def generate(text):
    ids = tokenizer.encode(text).ids
    whole = model.generate(inputs(ids), stop_token_ids=None)["token_ids"][0]
    return tokenizer.decode([int(i) for i in whole])


with silence():
    differing, apart = questions.differing(generate), questions.apart(logits)
packages = ["keras-hub", "keras", "tokenizers", "torch"]
answer("KerasHub", packages, differing, apart)
