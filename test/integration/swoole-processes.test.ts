// sluice/swoole with several processes: connections of all workers by number, messages between workers, reload,
// workers that die, tasks.

import { describe, expect, test } from 'vitest';
import { Program } from '../support/swoole-program.ts';
import type { TestClient } from '../support/websocket-client.ts';

interface Facts {
  readonly fd: number;
  readonly worker: number;
  readonly count: number;
  readonly established: number;
  readonly list: number[];
  readonly info: [worker: number, status: number, ip: string] | false;
  readonly master: number;
}

interface Seat extends Facts {
  readonly client: TestClient;
  ask<Answer>(words: string): Promise<Answer>;
}

async function seated(program: Program): Promise<Seat> {
  const client = await program.open();
  const [hello] = await client.hears(1);
  const ask = async <Answer>(words: string): Promise<Answer> => {
    const heard = client.received.length;
    client.ws.send(words);
    return JSON.parse(String((await client.hears(heard + 1))[heard])) as Answer;
  };
  return { ...(JSON.parse(String(hello)) as Facts), client, ask };
}

/** One client of each worker; the kernel deals connections out by chance. */
async function oneOfEach(program: Program): Promise<[Seat, Seat]> {
  const seats: (Seat | undefined)[] = [];
  for (let i = 0; i < 200 && (seats[0] === undefined || seats[1] === undefined); i++) {
    const seat = await seated(program);
    if (seats[seat.worker] === undefined) seats[seat.worker] = seat;
    else await left(seat);
  }
  const [first, second] = seats;
  if (first === undefined || second === undefined) expect.fail('all connections at one worker');
  for (const seat of [first, second]) {
    const settled = (): Promise<Facts> => seat.ask<Facts>(`facts ${seat.fd}`);
    await expect.poll(settled, { timeout: 10_000 }).toMatchObject({ count: 2, established: 2 });
  }
  return [first, second];
}

async function left({ client }: Seat): Promise<void> {
  client.ws.close();
  await client.ended();
}

describe('worker_num 2', () => {
  test('a broadcast over server.connections reaches the clients of both workers', async () => {
    const program = await Program.start('broadcast');
    const [first, second] = await oneOfEach(program);
    expect(first.master).toBe(program.pid);
    const heard = second.client.received.length;
    first.client.ws.send('to everybody');
    expect((await second.client.hears(heard + 1))[heard]).toBe('to everybody');
    second.client.ws.send('and back');
    await expect.poll(() => first.client.received.at(-1)).toBe('and back');
    const { list } = await first.ask<Facts>(`facts ${second.fd}`);
    expect(list).toEqual([first.fd, second.fd].sort((a, b) => a - b));
    expect(list.every(Number.isSafeInteger)).toBe(true);
  });

  test('every call reaches a connection of the other worker by its number', async () => {
    const program = await Program.start('broadcast');
    const [first, second] = await oneOfEach(program);
    const hears = (text: string): Promise<void> =>
      expect.poll(() => second.client.received.includes(text)).toBe(true);
    expect(await first.ask(`push ${second.fd} over`)).toEqual([true, 0]);
    await hears('over');
    expect(await first.ask(`send ${second.fd}`)).toBe(true);
    await hears('raw');
    expect((await first.ask<Facts>(`facts ${second.fd}`)).info).toEqual([1, 3, '127.0.0.1']);
    expect(await first.ask(`bind ${second.fd}`)).toContain(true);
    await expect.poll(() => first.ask(`bind ${second.fd}`)).toEqual([false, false]);
    expect(await first.ask(`pipe ${first.fd}`)).toEqual([false, true]);
    await expect.poll(() => first.client.received).toContain('worker 1 heard from 0 for 1');
    expect(await first.ask(`disconnect ${second.fd}`)).toBe(true);
    expect(await second.client.ended()).toEqual({ code: 4001, reason: 'by another' });
    await expect
      .poll(() => first.ask(`push ${second.fd} stale`))
      .toEqual([false, expect.any(Number)]);
    const gone = async (): Promise<Facts['info']> =>
      (await first.ask<Facts>(`facts ${second.fd}`)).info;
    await expect.poll(gone).toBe(false);
    expect(await first.ask(`push ${second.fd + 2 ** 40} nobody`)).toEqual([false, 1005]);
  });

  test('stats() are of the whole server', async () => {
    const program = await Program.start('broadcast');
    const [first] = await oneOfEach(program);
    const stats = await first.ask<Record<string, number>>('stats');
    expect(stats).toMatchObject({ worker_num: 2, task_worker_num: 0, connection_num: 2 });
    // The others tell their counts once a second.
    await expect
      .poll(async () => (await first.ask<Record<string, number>>('stats'))['accept_count'], {
        timeout: 10_000,
      })
      .toBeGreaterThanOrEqual(2);
  });

  test('a worker that is killed takes its numbers along, and workerError is told', async () => {
    const program = await Program.start('broadcast');
    const [first, second] = await oneOfEach(program);
    const [, pid] = await program.says(/worker 1 is (\d+)/);
    process.kill(Number(pid), 'SIGKILL');
    await program.says(new RegExp(`worker 1 died: ${pid} 0 9`));
    await program.says(new RegExp(`worker 1 is (?!${pid}\\b)\\d+`));
    const told = async (): Promise<number> => (await first.ask<Facts>('facts 0')).count;
    await expect.poll(told, { timeout: 10_000 }).toBe(1);
    // Its successor gives others, so that the old number is nobody's.
    let next = await seated(program);
    for (let i = 0; i < 200 && next.worker !== 1; i++) next = await seated(program);
    expect(next.worker).toBe(1);
    expect(next.fd).toBeGreaterThan(second.fd);
    expect(await first.ask(`push ${second.fd} stale`)).toEqual([false, 1005]);
    expect(next.client.received).toHaveLength(1);
  });

  test('reload() of a worker replaces all, clients are told 1012; shutdown() ends all', async () => {
    const program = await Program.start('broadcast');
    const [first, second] = await oneOfEach(program);
    expect(await first.ask('reload')).toBe(true);
    await program.says(/reloading[\s\S]*reloaded/);
    for (const { client } of [first, second]) expect((await client.ended()).code).toBe(1012);
    expect(program.output.match(/worker \d is \d+/g)).toHaveLength(4);
    const next = await seated(program);
    expect(next.fd).toBeGreaterThan(Math.max(first.fd, second.fd));
    expect(await next.ask('shutdown')).toBe(true);
    await program.ended();
    expect(program.output).toMatch(
      /manager \d+ -1[\s\S]*worker 0 stops[\s\S]*manager stops[\s\S]*shut down/,
    );
  });

  test('stop() ends the worker that calls it, which is replaced', async () => {
    const program = await Program.start('broadcast');
    const [first] = await oneOfEach(program);
    const [, pid] = await program.says(/worker 0 is (\d+)/);
    expect(await first.ask('stop')).toBe(true);
    expect((await first.client.ended()).code).toBe(1012);
    await program.says(new RegExp(`worker 0 is (?!${pid}\\b)\\d+`));
  });
});

describe('task_worker_num 2', () => {
  async function asking(): Promise<{
    program: Program;
    ask: (question: object) => Promise<unknown>;
  }> {
    const program = await Program.start('tasks');
    const client = await program.open();
    const ask = async (question: object): Promise<unknown> => {
      const heard = client.received.length;
      client.ws.send(JSON.stringify(question));
      return JSON.parse(String((await client.hears(heard + 1))[heard]));
    };
    return { program, ask };
  }

  test('results come to finish, to a callback, or to who waits', async () => {
    const { program, ask } = await asking();
    expect(await ask({ how: 'task', numbers: [1, 2] })).toBe(0);
    await program.says(/finished 0 \{"sum":3,"from":0,"worker":[12]\}/);
    expect(await ask({ how: 'callback', numbers: [3] })).toEqual([
      1,
      { sum: 3, from: 0, worker: 2 },
    ]);
    expect(await ask({ how: 'wait', seconds: 5, numbers: [4] })).toMatchObject({ sum: 4 });
    expect(await ask({ how: 'wait', seconds: 5, kind: 'early' })).toEqual({ early: 3 });
    await program.says(/early true,false/);
    expect(await ask({ how: 'wait', seconds: 5, kind: 'nested' })).toEqual({ nested: false });
    expect(program.output).not.toContain('finished 1');
  });

  test('several at once are spread; who is late, silent or fails is false', async () => {
    const { program, ask } = await asking();
    const all = [{ numbers: [1] }, { kind: 'slow', ms: 20 }, { kind: 'nothing' }];
    const [one, two, three] = (await ask({ how: 'co', all })) as { worker: number }[];
    expect([one, two, three]).toMatchObject([{ sum: 1 }, { sum: 0 }, false] as never);
    expect(one?.worker).not.toBe(two?.worker);
    expect(Object.keys((await ask({ how: 'multi', all })) as object)).toEqual(['0', '1']);
    expect(await ask({ how: 'wait', seconds: 0.05, kind: 'slow', ms: 500 })).toBe(false);
    expect(await ask({ how: 'wait', seconds: 0.3, kind: 'throw' })).toBe(false);
    await program.says(/error: a task failed/);
  });

  test('a task worker that dies is replaced, and its task is said to be lost', async () => {
    const { program, ask } = await asking();
    expect(await ask({ how: 'wait', seconds: 10, kind: 'die' })).toBe(false);
    await program.says(/error: Task 0 is lost/);
    await expect
      .poll(() => program.output.match(/task worker \d \d+/g)?.length, { timeout: 10_000 })
      .toBe(3);
    await expect
      .poll(() => ask({ how: 'wait', seconds: 5, numbers: [5] }), { timeout: 10_000 })
      .toMatchObject({ sum: 5 });
  });

  test('reload(true) replaces the task workers alone', async () => {
    const { program, ask } = await asking();
    expect(await ask({ how: 'reload' })).toBe(true);
    await program.says(/reloaded/);
    expect(program.output.match(/task worker \d \d+/g)).toHaveLength(4);
    expect(program.output.match(/^worker 0 \d+/gm)).toHaveLength(1);
    expect(await ask({ how: 'wait', seconds: 5, numbers: [6] })).toMatchObject({ sum: 6 });
  });
});

test('max_request: a worker is replaced in order; user: nobody, where root starts it', async () => {
  const program = await Program.start('recycled');
  const pids = new Set<string>();
  const ask = async (): Promise<number> => {
    const answer = await fetch(`http://${program.origin}/`);
    expect(answer.status).toBe(200);
    pids.add(await answer.text());
    return pids.size;
  };
  await expect.poll(ask, { timeout: 15_000 }).toBeGreaterThan(1);
  const [, uid] = await program.says(/worker 0 is \d+ of (\d+)/);
  if (process.getuid?.() === 0) expect(uid).not.toBe('0');
});
