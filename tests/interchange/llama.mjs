// Asks llama.cpp, as the package node-llama-cpp brings it, about a GGUF file.
//
//     node llama.mjs NODE_MODULES FILE <questions.json >answers.json
//
// The questions are texts, to become tokens and texts again, and prompts, to be
// continued greedily for a number of tokens.

import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, file] = process.argv.slice(2);
const entry = path.resolve(modules, "node-llama-cpp/dist/index.js");
const { getLlama } = await import(pathToFileURL(entry));
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  logLevel: "error",
});
const model = await llama.loadModel({ modelPath: path.resolve(file) });
const parts = [];
for await (const part of process.stdin) parts.push(part);
const { texts, prompts } = JSON.parse(Buffer.concat(parts).toString());
const encoded = texts.map((text) => model.tokenize(text, false));
const decoded = encoded.map((ids) => model.detokenize(ids));

const written = [];
const contextSize = model.trainContextSize;
const context = await model.createContext({ contextSize, threads: 1 });
for (const [prompt, length] of prompts) {
  const sequence = context.getSequence();
  const ids = [];
  const options = { temperature: 0, yieldEogToken: true };
  if (length > 0)
    for await (const id of sequence.evaluate(prompt, options)) {
      ids.push(id);
      if (ids.length === length) break;
    }
  written.push(ids);
  sequence.dispose();
}

const ends = [...Array(model.fileInfo.metadata.tokenizer.ggml.tokens.length)];
const answers = {
  encoded,
  decoded,
  written,
  ends: ends.map((_, id) => id).filter((id) => model.isEogToken(id)),
  contextSize,
};
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
