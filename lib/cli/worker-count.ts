// How many workers a configuration asks for.

import { availableParallelism } from 'node:os';

export function workerCountOf(workers: number | 'auto'): number {
  return workers === 'auto' ? availableParallelism() : workers;
}
