// The folder of the journal: what customers write is read by the gateway's user alone.

import { mkdirSync } from 'node:fs';

const OWNER_ONLY = 0o700;

/** Makes it, and what is missing above it, for its owner only; one that is there stays as it is. */
export function makeDataFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: OWNER_ONLY });
}
