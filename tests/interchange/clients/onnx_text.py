"""The folder as ONNX: written by optimum, run by ONNX Runtime.

    python onnx_text.py FOLDER QUESTIONS ONNX_FOLDER

The new folder stays, for `transformers_js_text.mjs`.
"""

import sys

import torch
from common import Questions, answer, attempt, silence

with silence():
    from optimum.exporters.onnx import main_export
    from optimum.onnxruntime import ORTModelForCausalLM
    from transformers import AutoTokenizer

    folder, questions, out = sys.argv[1], Questions(sys.argv[2]), sys.argv[3]
    main_export(folder, out, task="text-generation-with-past")
    model = ORTModelForCausalLM.from_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out)


def logits(ids):
    ids = torch.tensor([ids])
    return model(ids, attention_mask=torch.ones_like(ids)).logits[0].tolist()


def generate(text):
    inputs = tokenizer(text, return_tensors="pt")
    return tokenizer.decode(model.generate(**inputs, do_sample=False)[0])


def by_ids(text):
    ids = tokenizer(text, return_tensors="pt").input_ids
    return tokenizer.decode(model.generate(ids, do_sample=False)[0])


with silence():
    said = attempt(lambda: questions.differing(generate))
    differing = None if said == "yes" else said
    also = {"by ids alone": attempt(lambda: questions.differing(by_ids))}
    apart = questions.apart(logits)
packages = ["optimum-onnx", "onnxruntime", "transformers", "torch"]
answer("ONNX Runtime", packages, differing, apart, also)
