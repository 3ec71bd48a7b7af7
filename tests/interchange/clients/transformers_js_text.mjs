// The folder in transformers.js, as the ONNX that onnx_text.py has written.
//
//     cd FOLDER_OF_NODE_MODULES
//     node transformers_js_text.mjs ONNX_FOLDER QUESTIONS

import * as common from "./common.mjs";
import { basename, dirname, resolve } from "node:path";

const { AutoModelForCausalLM, AutoTokenizer, Tensor, env, pipeline } =
  await common.entry("@huggingface/transformers", "dist/transformers.node.mjs");

const folder = resolve(process.argv[2]);
const { prompts, block_size, vocab_size } = common.questions(process.argv[3]);
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);
const name = basename(folder);
const settings = { dtype: "fp32", subfolder: "" };
const tokenizer = await AutoTokenizer.from_pretrained(name);
const model = await AutoModelForCausalLM.from_pretrained(name, settings);

const generate = async (text) => {
  const ids = await model.generate({ ...tokenizer(text), do_sample: false });
  return tokenizer.decode(ids[0]);
};

let largest = 0;
for (const { whole_text, whole_ids, logits } of prompts) {
  const inputs = tokenizer(whole_text);
  const ids = [...inputs.input_ids.data].map(Number);
  if (ids.join() !== whole_ids.join()) throw new Error(`other ids: ${ids}`);
  const output = await model(inputs);
  const rows = output.logits.tolist()[0];
  rows.forEach((row, i) => {
    largest = Math.max(largest, common.apart(logits[i], row));
  });
}

const pipe = await pipeline("text-generation", name, settings);
const throughPipeline = async (text) => {
  const max_new_tokens = block_size - text.length;
  const output = await pipe(text, { max_new_tokens, do_sample: false });
  return output[0].generated_text;
};

const batch = async () => {
  tokenizer.padding_side = "left";
  const texts = prompts.map((prompt) => prompt.text);
  const inputs = tokenizer(texts, { padding: true });
  const room = block_size - inputs.input_ids.dims[1];
  const ids = await model.generate({
    ...inputs,
    max_new_tokens: room,
    do_sample: false,
  });
  const decoded = tokenizer.batch_decode(ids, { skip_special_tokens: true });
  for (const [i, { text, whole_text }] of prompts.entries()) {
    const wanted = whole_text.slice(0, text.length + room);
    if (decoded[i] !== wanted) return JSON.stringify(decoded[i]);
  }
};

common.answer(
  "transformers.js",
  ["@huggingface/transformers", "onnxruntime-node"],
  await common.differing(prompts, generate),
  largest,
  {
    pipeline: await common.attempt(() =>
      common.differing(prompts, throughPipeline),
    ),
    "padded batch": await common.attempt(batch),
    "unknown character": await common.attempt(
      () => `ids ${tokenizer("§").input_ids.data}`,
    ),
  },
);
