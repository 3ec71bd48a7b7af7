"""Does with a folder what needs a token to pad and to end with, and trains it.

    python padding.py DIR

The folder is DIR/model; what was trained is DIR/trained.
"""

import sys

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainingArguments,
    pipeline,
)

TEXTS = ["Shall I", "Thou", " b", "When in"]
TYPES = [torch.float32, torch.float16, torch.bfloat16]


def load(folder, dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(folder).to(dtype)


def never_generated(when, model, end, dtype):
    """Samples 6,000 tokens from the whole distribution."""
    torch.manual_seed(0)
    start = torch.zeros(200, 1, dtype=torch.long)
    ids = model.generate(start, do_sample=True, max_new_tokens=30)
    assert (ids != end).all()
    with torch.no_grad():
        logits = model(ids).logits.float()
    gap = logits[..., :-1].max(-1).values - logits[..., -1]
    kind = str(dtype).removeprefix("torch.")
    print(f"{when}, {kind}: at least {gap.min():.0f} below the likeliest")
    assert gap.min() > 10


def main(target):
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(1)
    print("torch and transformers", torch.__version__, transformers.__version__)
    folder = target + "/model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    end = tokenizer.pad_token_id
    assert end == tokenizer.eos_token_id == len(tokenizer) - 1

    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    batch = {key: batch[key] for key in ["input_ids", "attention_mask"]}
    for dtype in TYPES:
        model = load(folder, dtype)
        together = model.generate(**batch, do_sample=False, max_new_tokens=20)
        for text, ids in zip(TEXTS, together):
            prompt = tokenizer(text, return_tensors="pt").input_ids
            alone = model.generate(prompt, do_sample=False, max_new_tokens=20)
            ids = tokenizer.decode(ids, skip_special_tokens=True)
            assert ids == tokenizer.decode(alone[0]), (dtype, text)
        never_generated("as exported", model, end, dtype)

    model = load(folder)
    write = pipeline("text-generation", model=model, tokenizer=tokenizer)
    settings = {"do_sample": False, "max_new_tokens": 12}
    alone = [write(text, **settings) for text in TEXTS]
    assert write(TEXTS, batch_size=2, **settings) == alone
    beginning = tokenizer("\n", return_tensors="pt").input_ids
    beginning = model.generate(beginning, do_sample=False)[0].tolist()
    assert model.generate(do_sample=False)[0].tolist() == beginning
    empty = write("", do_sample=False)[0]["generated_text"]
    assert empty == tokenizer.decode(beginning)

    for strange in ["\u00a7", "a\u00a7b", tokenizer.eos_token]:
        try:
            raise SystemExit(f"{strange}: {tokenizer(strange).input_ids}")
        except Exception as error:
            assert "UNK" in str(error), error
    ids = tokenizer("a\nb").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a\nb"

    collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
    rows = [tokenizer(text).input_ids for text in TEXTS]
    labels = collator([{"input_ids": row} for row in rows])["labels"]
    assert [[id for id in row if id >= 0] for row in labels.tolist()] == rows
    arguments = TrainingArguments(
        output_dir=target + "/runs",
        max_steps=200,
        per_device_train_batch_size=16,
        learning_rate=5e-4,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    data = [{"input_ids": row} for row in rows]
    trainer = Trainer(model, arguments, collator, train_dataset=data)
    trainer.train()
    model.save_pretrained(target + "/trained")
    tokenizer.save_pretrained(target + "/trained")
    for dtype in TYPES:
        model = load(target + "/trained", dtype)
        never_generated("200 steps later", model, end, dtype)


main(sys.argv[1])
