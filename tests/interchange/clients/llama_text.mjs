// A GGUF file in llama.cpp, whose engine `node-llama-cpp` has prebuilt.
//
//     cd FOLDER_OF_NODE_MODULES
//     node llama_text.mjs FILE.gguf QUESTIONS
//
// It gives probabilities, so the differences are of their logarithms, where the
// probability is at least 1e-6. They are not small: it looks GELU up in a table
// of half precision.

import * as common from "./common.mjs";

const { getLlama, LlamaLogLevel } = await common.entry(
  "node-llama-cpp",
  "dist/index.js",
);
const { prompts, block_size } = common.questions(process.argv[3]);
const llama = await getLlama({
  build: "never",
  gpu: false,
  logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath: process.argv[2] });
const context = await model.createContext({
  contextSize: block_size,
  batchSize: block_size,
  flashAttention: false, // rounds to half precision
  experimentalKvCacheKeyType: "F32",
  experimentalKvCacheValueType: "F32",
});
const sequence = context.getSequence();

const encode = (text) => model.tokenize(text, false);

const generate = async (text) => {
  await sequence.clearHistory();
  const ids = encode(text);
  const room = block_size - ids.length;
  const whole = [...ids];
  for await (const id of sequence.evaluate(ids, { temperature: 0 })) {
    if (whole.push(id) - ids.length >= room) break;
  }
  return whole.map((id) => model.detokenize([id])).join("");
};

let largest = 0;
for (const { whole_text, whole_ids, logits } of prompts) {
  const ids = encode(whole_text);
  if (ids.join() !== whole_ids.join()) throw new Error(`other ids: ${ids}`);
  await sequence.clearHistory();
  const wish = { generateNext: { probabilities: true } };
  const outputs = await sequence.controlledEvaluate(
    ids.slice(0, -1).map((id) => [id, wish]),
  );
  outputs.forEach(({ next }, i) => {
    const ours = common.logProbabilities(logits[i]);
    for (const [id, p] of next.probabilities) {
      if (p < 1e-6 || id >= ours.length) continue;
      largest = Math.max(largest, Math.abs(Math.log(p) - ours[id]));
    }
  });
}

const ends = Array.from(prompts[0].logits[0], (_, id) => id).filter((id) =>
  model.isEogToken(id),
);

common.answer(
  "llama.cpp",
  ["node-llama-cpp"],
  await common.differing(prompts, generate),
  largest,
  {
    "no character ends the text": ends.length
      ? `${JSON.stringify(model.detokenize(ends))} does`
      : "yes",
    "text from all ids at once": await common.attempt(() =>
      common.differing(prompts, async (text) => {
        const { whole_ids } = prompts.find((prompt) => prompt.text === text);
        return model.detokenize(whole_ids);
      }),
    ),
    "unknown character": encode("§").length
      ? `ids ${encode("§")}`
      : "left out, without a word",
  },
  { "llama.cpp": llama.llamaCppRelease.release },
);
process.exit(0);
