// What glibc's allocator does with freed memory. A file of its own, and not a net-* one, since
// scripts/test-asan.mjs must not run it: AddressSanitizer brings an allocator of its own, to which
// mallopt(3) means nothing, and whose page faults say nothing about ours.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const CHILD = fileURLToPath(new URL('../support/children/freed-memory.mjs', import.meta.url));

test('memory of large payloads stays with the process once it was asked to keep it', async () => {
  expect(process.env['LD_PRELOAD'] ?? '', 'another allocator in the place of glibc').not.toMatch(
    /asan|malloc/,
  );
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', CHILD]);
  const { before, after } = JSON.parse(stdout) as { before: number; after: number };
  expect(after).toBeLessThan(before / 4);
}, 30_000);
