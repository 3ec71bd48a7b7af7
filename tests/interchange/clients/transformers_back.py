"""The folder, changed by transformers and saved, for us to read back.

    python transformers_back.py HOW FOLDER QUESTIONS NEW_FOLDER TEXT

HOW is `f32` or `bf16` (saved as it is, the second in shards), `trainer` (40
steps of `Trainer` on the text) or `lora` (20 steps of a LoRA adapter, merged).
The answer has what it makes of the prompts now, and how: `texts` and `logits`.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import torch
import transformers
from common import Questions, silence
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Trainer,
    TrainingArguments,
    default_data_collator,
)


def windows(tokenizer, text, length):
    """The recipe of everybody: map, group, train."""
    lines = Dataset.from_dict({"text": text.splitlines(keepends=True)})
    columns = lines.map(
        lambda rows: tokenizer(rows["text"]), batched=True,
        remove_columns=["text"],
    )

    def group(rows):
        joined = {name: sum(lists, []) for name, lists in rows.items()}
        starts = range(0, len(joined["input_ids"]) - length + 1, length)
        parts = {
            name: [ids[i : i + length] for i in starts]
            for name, ids in joined.items()
        }
        return parts | {"labels": parts["input_ids"]}

    return columns.map(group, batched=True)


def train(model, tokenizer, data, steps, folder):
    arguments = TrainingArguments(
        output_dir=str(folder), max_steps=steps, learning_rate=1e-3,
        per_device_train_batch_size=16, report_to="none", save_strategy="no",
        use_cpu=True, seed=1, disable_tqdm=True,
    )
    trainer = Trainer(
        model=model, args=arguments, train_dataset=data,
        processing_class=tokenizer, data_collator=default_data_collator,
    )
    trainer.train()
    return trainer


def main(how, folder, questions, new_folder, text):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = Path(text).read_text()
    length = questions.block_size
    if how == "f32":
        model.save_pretrained(new_folder)
    elif how == "bf16":
        model.to(torch.bfloat16).save_pretrained(
            new_folder, max_shard_size="50KB"
        )
    elif how == "trainer":
        data = windows(tokenizer, text, length)
        train(model, tokenizer, data, 40, new_folder).save_model()
    elif how == "lora":
        data = windows(tokenizer, text, length)
        config = LoraConfig(
            task_type="CAUSAL_LM", r=4, target_modules=["c_attn", "c_proj"],
            fan_in_fan_out=True,
        )
        adapted = get_peft_model(model, config)
        train(adapted, None, data, 20, new_folder)
        adapted.merge_and_unload().save_pretrained(new_folder)
    tokenizer.save_pretrained(new_folder)

    model = AutoModelForCausalLM.from_pretrained(new_folder).float().eval()
    texts, logits = [], []
    for prompt in questions.prompts:
        ids = torch.tensor([prompt["ids"]])
        mask = torch.ones_like(ids)
        whole = model.generate(
            ids, attention_mask=mask, do_sample=False, max_length=length
        )
        texts.append(tokenizer.decode(whole[0]))
        with torch.no_grad():
            rows = model(torch.tensor([prompt["whole_ids"]])).logits[0]
        logits.append(rows[:, : questions.vocab_size].tolist())
    return {"texts": texts, "logits": logits}


if __name__ == "__main__":
    transformers.utils.logging.set_verbosity_error()
    how, folder, questions, new_folder, text = sys.argv[1:]
    with silence():
        line = main(how, folder, Questions(questions), new_folder, text)
    packages = ["transformers", "torch"]
    if how in ["trainer", "lora"]:
        packages += ["accelerate", "datasets"]
    if how == "lora":
        packages += ["peft"]
    line["client"] = f"saved by transformers: {how}"
    line["versions"] = {name: version(name) for name in packages}
    print(json.dumps(line))
