import { expect, test } from 'vitest';
import { TaskQueue } from '../../../lib/net/task-queue.ts';

test('runs every task once, in order, and keeps what a task adds for the next run', () => {
  const order: string[] = [];
  const queue = new TaskQueue((error) => order.push(`failed: ${String(error)}`));
  queue.run();
  queue.add({
    run() {
      order.push('a');
      queue.add({ run: () => order.push('added') });
    },
  });
  queue.add({
    run() {
      throw 'reason';
    },
  });
  queue.add({ run: () => order.push('b') });
  queue.run();
  expect(order).toEqual(['a', 'failed: reason', 'b']);
  expect(queue.isEmpty).toBe(false);
  queue.run();
  queue.run();
  expect(order).toEqual(['a', 'failed: reason', 'b', 'added']);
  expect(queue.isEmpty).toBe(true);
});
