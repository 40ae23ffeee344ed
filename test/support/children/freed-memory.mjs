// Prints how many pages are faulted in per round of large payloads that come and go, before and after
// the addon was told to keep freed memory. Run with --expose-gc.

import { nativeFrames } from '../../../dist/native/bytes.js';

const PAYLOADS = 20;
const PAYLOAD_BYTES = 1024 * 1024;
const ROUNDS = 5;

function round() {
  const kept = [];
  for (let i = 0; i < PAYLOADS; i++) kept.push(Buffer.allocUnsafeSlow(PAYLOAD_BYTES).fill(i));
  return kept.length;
}

async function faultsPerRound() {
  round();
  globalThis.gc();
  const before = process.resourceUsage().minorPageFault;
  for (let i = 0; i < ROUNDS; i++) {
    round();
    globalThis.gc();
    // The memory is freed by a thread of the collector.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return (process.resourceUsage().minorPageFault - before) / ROUNDS;
}

const before = await faultsPerRound();
nativeFrames.keepFreedMemory();
await faultsPerRound();
console.log(JSON.stringify({ before, after: await faultsPerRound() }));
