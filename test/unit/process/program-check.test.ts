// The trial of a new version: a child that runs the script of this process.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CHECK_OUTPUT_BYTES_MAX } from '../../../lib/process/limits.ts';
import { checkProgram } from '../../../lib/process/program-check.ts';

let folder = '';
const { argv, execArgv } = process;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-check-'));
});
afterEach(() => {
  process.argv = argv;
  process.execArgv = execArgv;
  rmSync(folder, { recursive: true, force: true });
});

/** As if this process ran that program. */
function runAs(code: string): void {
  const script = join(folder, 'program.mjs');
  writeFileSync(script, code);
  process.argv = [process.execPath, script, 'start'];
  process.execArgv = [];
}

const failure = (check: { args: string[] } | undefined, checkTimeoutMs = 30_000) =>
  checkProgram({ check, checkTimeoutMs }).then(
    () => undefined,
    (error: Error & { code: string }) => [error.code, error.message],
  );

test('passes with exit code 0, and gets its own arguments', async () => {
  runAs(`process.exit(process.argv.slice(2).join() === 'check,-c' ? 0 : 1)`);
  expect(await failure({ args: ['check', '-c'] })).toBeUndefined();
  expect(await failure({ args: ['other'] })).toEqual([
    'ERR_STATE',
    expect.stringContaining('exited with 1'),
  ]);
});

test('only reads the script when there are no arguments for it', async () => {
  runAs('process.exit(1);');
  expect(await failure(undefined)).toBeUndefined();
  runAs('process.exit(1;');
  expect(await failure(undefined)).toEqual(['ERR_STATE', expect.stringContaining('SyntaxError')]);
});

test('is ended when it takes too long', async () => {
  runAs('setInterval(() => undefined, 1000);');
  expect(await failure({ args: [] }, 300)).toEqual([
    'ERR_STATE',
    expect.stringContaining('was ended by SIGKILL'),
  ]);
});

test('keeps the end of its errors, or of what it printed, up to a bound', async () => {
  runAs(`console.error('x'.repeat(1e5)); console.error('the reason'); process.exitCode = 2;`);
  const [, message = ''] = (await failure({ args: [] })) ?? [];
  expect(message).toMatch(/x\nthe reason$/);
  expect(message.length).toBeLessThan(CHECK_OUTPUT_BYTES_MAX + 100);
  runAs(`console.log('said aloud'); process.exitCode = 2;`);
  expect((await failure({ args: [] }))?.[1]).toMatch(/exited with 2: said aloud$/);
  runAs(`console.log('noise'); console.error('the reason'); process.exitCode = 2;`);
  expect((await failure({ args: [] }))?.[1]).toMatch(/exited with 2: the reason$/);
});
