// Runs that wait for their next connection: they are used again, and no more of them are kept than the bound.

import { describe, expect, test } from 'vitest';
import type { WebSocketConnection } from '../../../../lib/server/websocket/websocket-connection.ts';
import { RunQueue, SPARE_RUNS_MAX } from '../../../../lib/server/websocket/websocket-context.ts';
import { OutgoingRun } from '../../../../lib/websocket/outgoing-run.ts';

/** A queue that never flushes, and a connection that is only counted. */
function idleQueue(): { readonly queue: RunQueue; readonly connection: WebSocketConnection } {
  const queue = new RunQueue({ beforeFlush: () => undefined });
  return { queue, connection: { flushRun: () => undefined } as unknown as WebSocketConnection };
}

describe('spare runs', () => {
  test.each([
    { given: SPARE_RUNS_MAX - 1, kept: SPARE_RUNS_MAX - 1 },
    { given: SPARE_RUNS_MAX, kept: SPARE_RUNS_MAX },
    { given: SPARE_RUNS_MAX + 1, kept: SPARE_RUNS_MAX },
  ])('of $given runs that came back $kept are lent again', ({ given, kept }) => {
    const { queue, connection } = idleQueue();
    const returned = new Set(Array.from({ length: given }, () => new OutgoingRun()));
    for (const run of returned) queue.takeBack(run);
    let again = 0;
    for (let i = 0; i < given + 1; i++) if (returned.has(queue.begin(connection))) again++;
    expect(again).toBe(kept);
  });

  test('the flush is asked for once, however many connections begin', () => {
    let asked = 0;
    const queue = new RunQueue({ beforeFlush: () => asked++ });
    const { connection } = idleQueue();
    queue.begin(connection);
    queue.begin(connection);
    expect(asked).toBe(1);
    queue.run();
    queue.begin(connection);
    expect(asked).toBe(2);
  });
});
