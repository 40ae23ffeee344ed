// `npm run soak`: the long runs. Kills for minutes, fuzz cases by the million, and a steady load whose
// memory must not grow; a crowd of which many never read, a million visits, reloads and kills of a gateway's processes.
//   node scripts/soak.mjs [--kills=100] [--cases=1000000] [--visits=1000000] [--minutes=5] [--only=NAME,…]

import { spawnSync } from 'node:child_process';
import { build } from './build.mjs';
import { bin, root } from './project.mjs';

const option = (name, fallback) => {
  const given = process.argv.find((argument) => argument.startsWith(`--${name}=`));
  return given === undefined ? fallback : given.slice(name.length + 3);
};

const RUNS = [
  {
    name: 'kills',
    args: ['--project', 'system', 'test/system/kill.test.ts'],
    env: { SLUICE_TEST_KILLS: option('kills', '100') },
  },
  {
    name: 'fuzz',
    args: ['--project', 'fuzz'],
    env: { SLUICE_FUZZ_CASES: option('cases', '1000000') },
  },
  {
    name: 'crowd',
    // One after the other: what else runs takes a processor that the crowd is measured on.
    args: [
      ...['--no-file-parallelism', '--project', 'system'],
      ...['test/system/crowd.test.ts', 'test/system/slow-peers.test.ts'],
    ],
    env: { SLUICE_TEST_SOAK: '1' },
  },
  {
    name: 'visits',
    args: ['--project', 'system', 'test/system/no-leak.test.ts'],
    env: { SLUICE_TEST_VISITS: option('visits', '1000000') },
  },
  {
    name: 'processes',
    args: ['--project', 'system', 'test/system/gateway-processes.test.ts'],
    env: { SLUICE_TEST_SOAK: '1' },
  },
  {
    name: 'bus',
    args: ['--project', 'integration', 'test/integration/bus.test.ts'],
    env: { SLUICE_BUS_MESSAGES: '1000000' },
  },
  {
    name: 'steady',
    args: ['--project', 'soak'],
    env: { SLUICE_TEST_MINUTES: option('minutes', '5') },
  },
];

build();
const only = option('only', undefined)?.split(',');
const failed = [];
for (const { name, args, env } of RUNS) {
  if (only !== undefined && !only.includes(name)) continue;
  console.log(`\n== ${name} ${JSON.stringify(env)}`);
  const result = spawnSync(bin('vitest'), ['run', '--testTimeout=3600000', ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, NODE_ENV: 'test', ...env },
  });
  if (result.status !== 0) failed.push(name);
}
console.log(
  failed.length === 0 ? '\nsoak: all runs passed' : `\nsoak: failed: ${failed.join(', ')}`,
);
process.exit(failed.length === 0 ? 0 : 1);
