// A supervisor as process 1, as in a container: it hears signals, and waits for processes that are nobody's.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { SupervisorProcess } from '../support/supervisor-process.ts';
import { until } from '../support/until.ts';

const UNSHARE = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
/** Making a namespace is the administrator's; elsewhere these tests have nothing to run in. */
const mayUnshare = spawnSync(UNSHARE[0] as string, [...UNSHARE.slice(1), 'true']).status === 0;

afterEach(() => SupervisorProcess.killAll());

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

const nameAndState = (pid: number): string =>
  /\((.*)\) (.)/
    .exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    ?.slice(1)
    .join(' ') ?? '';

test.runIf(mayUnshare)('reaps orphans and stops on SIGTERM', async () => {
  const supervisor = await SupervisorProcess.start({ workers: 1, wrapper: UNSHARE });
  const [first] = childrenOf(supervisor.child.pid ?? 0);
  if (first === undefined) throw new Error('no process in the namespace');
  expect(await supervisor.get('/orphan')).toBe('ok');
  const states = (): string[] => childrenOf(first).map(nameAndState);
  await until('the orphan is ours', () => states().includes('sleep S'), 5_000);
  await until('the orphan is a zombie', () => states().includes('sleep Z'), 5_000);
  await until('the orphan is gone', () => states().every((text) => !text.includes('sleep')), 5_000);
  expect(await supervisor.get()).not.toBe('');
  process.kill(first, 'SIGTERM');
  expect(await supervisor.exitCode()).toBe(0);
});
