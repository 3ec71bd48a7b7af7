"""The folder in transformers, as its documentation has people use it.

    python transformers_text.py FOLDER QUESTIONS
"""

import sys

import torch
import transformers
from common import Questions, answer, attempt
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

folder, questions = sys.argv[1], Questions(sys.argv[2])
transformers.utils.logging.set_verbosity_error()
torch.set_num_threads(1)
model = AutoModelForCausalLM.from_pretrained(folder).eval()
tokenizer = AutoTokenizer.from_pretrained(folder)


def logits(ids):
    # By way of the text, and with all that the tokenizer has to say of it
    inputs = tokenizer(tokenizer.decode(ids), return_tensors="pt")
    assert inputs.input_ids[0].tolist() == ids
    with torch.no_grad():
        return model(**inputs).logits[0].tolist()


def generate(text):
    inputs = tokenizer(text, return_tensors="pt")
    return tokenizer.decode(model.generate(**inputs, do_sample=False)[0])


def through_pipeline(text):
    pipe = pipeline("text-generation", model=model, tokenizer=tokenizer)
    length = questions.block_size - len(text)
    settings = {"do_sample": False, "max_new_tokens": length}
    return pipe(text, **settings)[0]["generated_text"]


def padded():
    """All prompts in one batch, as far as the longest lets it."""
    tokenizer.padding_side = "left"
    prompts = questions.prompts
    texts = [prompt["text"] for prompt in prompts]
    inputs = tokenizer(texts, return_tensors="pt", padding=True)
    room = questions.block_size - inputs.input_ids.shape[1]
    ids = model.generate(**inputs, do_sample=False, max_new_tokens=room)
    decoded = tokenizer.batch_decode(ids, skip_special_tokens=True)
    for prompt, text in zip(prompts, decoded):
        wanted = prompt["whole_text"][: len(prompt["text"]) + room]
        if text != wanted:
            return f"{text!r} instead of {wanted!r}"


def unprompted():
    """Without a prompt: from a line break, as ours."""
    text = tokenizer.decode(model.generate(do_sample=False)[0])
    [wanted] = [p["whole_text"] for p in questions.prompts if p["text"] == "\n"]
    if text != wanted:
        return f"{text!r} instead of {wanted!r}"


def unknown():
    ids = tokenizer("§").input_ids
    return f"ids {ids}"


also = {
    "pipeline": attempt(lambda: questions.differing(through_pipeline)),
    "padded batch": attempt(padded),
    "empty prompt": attempt(unprompted),
    "unknown character": attempt(unknown),
}
answer(
    "transformers",
    ["transformers", "tokenizers", "torch"],
    questions.differing(generate),
    questions.apart(logits),
    also,
)
