// What the fuzz tests keep: inputs that were interesting once, and the seeds of cases that failed once.

import { readFileSync, writeFileSync } from 'node:fs';

export interface Corpus {
  readonly inputs: readonly string[];
  readonly seeds: readonly number[];
}

function corpusFile(name: string): URL {
  return new URL(`corpus/${name}/kept.json`, import.meta.url);
}

export function readCorpus(name: string): Corpus {
  return JSON.parse(readFileSync(corpusFile(name), 'utf8')) as Corpus;
}

/** Runs one case; the seed of one that fails goes into the corpus. */
export function keepIfItFails(name: string, seed: number, run: () => void): void {
  try {
    run();
  } catch (error) {
    const { inputs, seeds } = readCorpus(name);
    if (!seeds.includes(seed)) {
      const kept = JSON.stringify({ inputs, seeds: [...seeds, seed] }, null, 2);
      writeFileSync(corpusFile(name), `${kept}\n`);
    }
    throw error;
  }
}
