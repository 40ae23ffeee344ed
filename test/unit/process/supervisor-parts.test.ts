// The parts of a supervisor that decide without processes: waits, options, who serves whose socket, and
// what is handed down.

import { describe, expect, test } from 'vitest';
import { RestartBackoff } from '../../../lib/process/backoff.ts';
import { SocketCoverage } from '../../../lib/process/coverage.ts';
import { renumbered, takeHandDown, WORKER_VARIABLE } from '../../../lib/process/hand-down.ts';
import * as publicNames from '../../../lib/process/index.ts';
import * as limits from '../../../lib/process/limits.ts';
import { resolveOptions } from '../../../lib/process/options.ts';
import type { SupervisorOptions } from '../../../lib/process/types.ts';
import type { WorkerProcess } from '../../../lib/process/worker-process.ts';

describe('the wait before a start', () => {
  test('doubles up to its bound, and every part of it is possible', () => {
    const most = new RestartBackoff(() => 1);
    const waits = Array.from({ length: 12 }, () => most.died(undefined));
    expect(waits.slice(0, 3)).toEqual([100, 200, 400]);
    expect(waits.at(-1)).toBe(limits.RESTART_MS_MAX);
    expect(new RestartBackoff(() => 0).died(undefined)).toBe(0);
  });

  test('is none after a worker that has served, and begins anew', () => {
    const backoff = new RestartBackoff(() => 1);
    for (let i = 0; i < 4; i++) backoff.died(limits.STABLE_MS - 1);
    expect(backoff.died(limits.STABLE_MS)).toBe(0);
    expect(backoff.crashes).toBe(0);
    expect(backoff.died(undefined)).toBe(100);
  });

  test('counts as a loop from the bound on', () => {
    const backoff = new RestartBackoff();
    for (let i = 1; i < limits.CRASHES_MAX; i++) backoff.died(undefined);
    expect(backoff.isLooping).toBe(false);
    backoff.died(0);
    expect(backoff.isLooping).toBe(true);
  });
});

describe('options', () => {
  const listen = [{ port: 0 }];
  const refused: { readonly name: string; readonly options: SupervisorOptions }[] = [
    { name: 'no worker', options: { listen, workers: 0 } },
    { name: 'one worker too many', options: { listen, workers: limits.WORKERS_MAX + 1 } },
    { name: 'half a worker', options: { listen, workers: 1.5 } },
    { name: 'neither port nor path', options: { listen: [{}] } },
    { name: 'both port and path', options: { listen: [{ port: 0, path: '/s' }] } },
    { name: 'a port too many', options: { listen: [{ port: 65_536 }] } },
    {
      name: 'a place that is not there',
      options: { listen: [{ port: 0, slots: [2] }], workers: 2 },
    },
    { name: 'a place twice', options: { listen: [{ port: 0, slots: [0, 0] }], workers: 2 } },
    { name: 'no place', options: { listen: [{ port: 0, slots: [] }] } },
    { name: 'a group without a user', options: { listen, group: 'nogroup' } },
    { name: 'a hang timeout too short', options: { listen, hangTimeoutMs: 499 } },
    { name: 'a deadline before the window', options: { listen, drainDeadlineMs: 9_999 } },
    { name: 'a time below zero', options: { listen, maxLifetimeMs: -1 } },
    {
      name: 'an address too many',
      options: { listen: Array.from({ length: limits.ADDRESSES_MAX + 1 }, () => ({ port: 0 })) },
    },
  ];
  test.each(refused)('with $name are refused', ({ options }) => {
    expect(() => resolveOptions(options)).toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }) as Error,
    );
  });

  test('at their bounds are taken', () => {
    const most = { workers: limits.WORKERS_MAX, hangTimeoutMs: limits.HANG_TIMEOUT_MS_LEAST };
    expect(resolveOptions({ listen, ...most })).toMatchObject(most);
    expect(resolveOptions({ listen, hangTimeoutMs: 0 }).hangTimeoutMs).toBe(0);
  });

  test('have defaults', () => {
    const { workers, drainDeadlineMs, script, hangTimeoutMs } = resolveOptions({ listen });
    expect(workers).toBeGreaterThan(0);
    expect(script).toBe(process.argv[1]);
    expect([drainDeadlineMs, hangTimeoutMs]).toEqual([30_000, 10_000]);
  });
});

describe('a socket without its worker', () => {
  const address = { port: 1, path: undefined, slots: [0, 1, 2], fds: [10, 11, 12] };

  function rig(addresses = [address]) {
    const said: string[] = [];
    const serving = new Map<number, WorkerProcess>();
    const coverage = new SocketCoverage(addresses);
    return {
      said,
      coverage,
      set(slot: number, name: string | undefined): void {
        const line = {
          say: (word: string, body: { address: number; slot: number }) =>
            said.push(`${name} ${word} ${body.address}:${body.slot}`),
        };
        if (name === undefined) serving.delete(slot);
        else serving.set(slot, { slot, line } as unknown as WorkerProcess);
        coverage.update((each) => serving.get(each));
      },
    };
  }

  test('is served by a sibling until its own is ready', () => {
    const { set, said, coverage } = rig();
    for (const slot of [0, 1, 2]) set(slot, `w${slot}`);
    said.length = 0;
    set(1, undefined);
    expect(said).toEqual(['w2 adopt 0:1']);
    expect(coverage.adopted).toBe(1);
    set(1, 'w1b');
    expect(said).toEqual(['w2 adopt 0:1', 'w2 release 0:1']);
    expect(coverage.adopted).toBe(0);
  });

  test('goes on to another when the sibling is gone, too', () => {
    const { set, said } = rig();
    for (const slot of [0, 1, 2]) set(slot, `w${slot}`);
    said.length = 0;
    set(1, undefined);
    set(2, undefined);
    expect(said).toEqual(['w2 adopt 0:1', 'w0 adopt 0:1', 'w0 adopt 0:2']);
  });

  test('waits while nobody is there, and is the first one\u2019s', () => {
    const { set, said } = rig();
    set(1, undefined);
    expect(said).toEqual([]);
    set(2, 'w2');
    expect(said).toEqual(['w2 adopt 0:0', 'w2 adopt 0:1']);
  });

  test('is not given to a worker that does not serve its address', () => {
    const { set, said } = rig([{ port: 1, path: undefined, slots: [0, 1], fds: [10, 11] }]);
    set(2, 'w2');
    expect(said).toEqual([]);
    set(1, 'w1');
    expect(said).toEqual(['w1 adopt 0:0']);
  });

  test('that another place polls, too, needs nobody', () => {
    const { set, said } = rig([{ port: 1, path: undefined, slots: [0, 1, 2], fds: [10, 11, 10] }]);
    set(0, 'w0');
    expect(said).toEqual(['w0 adopt 0:1']);
    set(0, undefined);
    set(2, 'w2');
    expect(said).toEqual(['w0 adopt 0:1', 'w2 adopt 0:1']);
  });

  test('of a path needs nobody: it is the same for all', () => {
    const { set, said } = rig([{ ...address, port: 0, path: '/s', fds: [10, 10, 10] } as never]);
    set(1, 'w1');
    expect(said).toEqual([]);
  });
});

describe('what is handed down', () => {
  test('names descriptors as the child has them', () => {
    const one = { port: 1, path: undefined, slots: [0, 1], fds: [20, 31] };
    const path = { port: 0, path: '/s', slots: [0, 1], fds: [25, 25] };
    const fds = renumbered([one, path], [20, 31, 25]).map((each) => each.fds);
    expect(fds).toEqual([
      [3, 4],
      [5, 5],
    ]);
  });

  test('is taken once: what a worker starts is no worker', () => {
    const env = { [WORKER_VARIABLE]: '{"slot":1}' };
    expect(takeHandDown(env)).toEqual({ slot: 1 });
    expect(takeHandDown(env)).toBeUndefined();
    expect(env).toEqual({});
  });
});

test('the public names of sluice/process', () => {
  expect(Object.keys(publicNames).sort()).toEqual(['supervise', 'workerRole']);
});
