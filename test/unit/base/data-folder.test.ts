// Who may read what customers have written.

import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { makeDataFolder } from '../../../lib/base/data-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-folder-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a data folder is its for its owner only; one that is there stays as it is', () => {
  const data = join(folder, 'var', 'data');
  makeDataFolder(data);
  expect(statSync(data).mode & 0o777).toBe(0o700);
  chmodSync(data, 0o750);
  makeDataFolder(data);
  expect(statSync(data).mode & 0o777).toBe(0o750);
});
