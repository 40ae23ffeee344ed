import { defineConfig } from 'vitest/config';

const common = { environment: 'node' as const, testTimeout: 20_000, hookTimeout: 20_000 };

export default defineConfig({
  test: {
    // Two cores: more forks would only make timings worse.
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 10_000,
          // Modules are loaded once per fork: half of the time went into loading them for each file. They
          // have no state of their own, and no test may give them any.
          isolate: false,
        },
      },
      { test: { ...common, name: 'integration', include: ['test/integration/**/*.test.ts'] } },
      { test: { ...common, name: 'scenarios', include: ['test/scenarios/**/*.test.ts'] } },
      {
        test: {
          ...common,
          name: 'fuzz',
          include: ['test/fuzz/**/*.test.ts'],
          testTimeout: 180_000,
        },
      },
      {
        test: {
          ...common,
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 60_000,
        },
      },
      { test: { ...common, name: 'soak', include: ['test/soak/**/*.test.ts'] } },
      {
        test: {
          ...common,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
