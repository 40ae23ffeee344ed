// Cuts an input in every way that a network may: whole, byte by byte, at every single place, and in
// seeded random pieces. Parser tests run through all of them, since a parser's bugs live at the cuts.

/** Above this length two-way cuts are taken at evenly spread places and at both ends only. */
const EVERY_CUT_BYTES_MAX = 2048;
const SPREAD_CUTS = 256;
const RANDOM_CUTS_DEFAULT = 16;

export interface Chunking {
  /** Says how the input was cut; goes into the failure's message. */
  readonly name: string;
  readonly pieces: readonly Buffer[];
}

export interface ChunkingOptions {
  /** Seed of the random cuts; printed in their names. Default 1. */
  readonly seed?: number;
  /** How many random cuts. Default 16. */
  readonly randomCuts?: number;
}

/** A small seeded generator (mulberry32): numbers in [0, 1), the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Cuts `input` at random places; most pieces are small, some are long. Empty pieces never occur. */
export function cutRandomly(input: Buffer, random: () => number): Buffer[] {
  const pieces: Buffer[] = [];
  let start = 0;
  while (start < input.length) {
    const lengthMax = random() < 0.5 ? 4 : Math.max(8, input.length);
    const end = Math.min(input.length, start + 1 + Math.floor(random() * lengthMax));
    pieces.push(input.subarray(start, end));
    start = end;
  }
  return pieces;
}

/** All the ways to cut `input`. The pieces are views of it: copy them if they are written to. */
export function* chunkings(input: Buffer, options: ChunkingOptions = {}): Generator<Chunking> {
  yield { name: 'whole', pieces: [input] };
  if (input.length < 2) return;
  yield { name: 'byte by byte', pieces: Array.from(input, (_, i) => input.subarray(i, i + 1)) };
  for (const place of twoWayPlaces(input.length)) {
    yield { name: `cut at ${place}`, pieces: [input.subarray(0, place), input.subarray(place)] };
  }
  const { seed = 1, randomCuts = RANDOM_CUTS_DEFAULT } = options;
  for (let i = 0; i < randomCuts; i++) {
    yield {
      name: `random cut, seed ${seed + i}`,
      pieces: cutRandomly(input, seededRandom(seed + i)),
    };
  }
}

/**
 * Runs `run` once for every cut of `input`. What it throws is thrown on, with the cut's name in front
 * of the message. Asynchronous runs are awaited one after the other.
 * @param input bytes, or text that stands for bytes (latin1)
 */
export async function forEveryCut(
  input: Buffer | string,
  run: (pieces: readonly Buffer[], name: string) => unknown,
  options: ChunkingOptions = {},
): Promise<void> {
  const bytes = typeof input === 'string' ? Buffer.from(input, 'latin1') : input;
  for (const { name, pieces } of chunkings(bytes, options)) {
    try {
      const result = run(pieces, name);
      if (result instanceof Promise) await result;
    } catch (error) {
      if (error instanceof Error) error.message = `[${name}] ${error.message}`;
      throw error;
    }
  }
}

function* twoWayPlaces(length: number): Generator<number> {
  if (length <= EVERY_CUT_BYTES_MAX) {
    for (let place = 1; place < length; place++) yield place;
    return;
  }
  const edge = SPREAD_CUTS / 2;
  const step = Math.max(1, Math.floor(length / SPREAD_CUTS));
  for (let place = 1; place <= edge; place++) yield place;
  for (let place = edge + step; place < length - edge; place += step) yield place;
  for (let place = length - edge; place < length; place++) yield place;
}
