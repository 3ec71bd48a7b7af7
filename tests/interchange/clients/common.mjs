// What the scripts in JavaScript share; the form of an answer is that of
// common.py.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export const questions = (path) => JSON.parse(readFileSync(path, "utf8"));

// Packages are looked for in the current folder, not beside this file.
export const entry = (name, file) =>
  import(pathToFileURL(join(process.cwd(), "node_modules", name, file)));

export const version = (name) =>
  JSON.parse(
    readFileSync(join(process.cwd(), "node_modules", name, "package.json")),
  ).version;

export const apart = (ours, theirs) =>
  Math.max(...ours.map((z, i) => Math.abs(z - theirs[i])));

export const logProbabilities = (row) => {
  const highest = Math.max(...row);
  const sum = row.reduce((sum, z) => sum + Math.exp(z - highest), 0);
  return row.map((z) => z - highest - Math.log(sum));
};

export async function differing(prompts, generate) {
  for (const { text, whole_text } of prompts) {
    const theirs = await generate(text);
    if (theirs !== whole_text)
      return [theirs, whole_text].map((text) => JSON.stringify(text)).join(" instead of ");
  }
  return null;
}

// "yes", or what `act` returned or threw instead.
export async function attempt(act) {
  try {
    return (await act()) ?? "yes";
  } catch (error) {
    return `${error.name}: ${error.message.split("\n")[0]}`;
  }
}

export function answer(client, packages, differing, apart, also, more) {
  const versions = Object.fromEntries(packages.map((p) => [p, version(p)]));
  Object.assign(versions, more);
  versions.node = process.versions.node;
  if (differing) also = { greedy: differing, ...also };
  const line = { client, versions, equal: !differing, apart, also };
  console.log(JSON.stringify(line));
}
