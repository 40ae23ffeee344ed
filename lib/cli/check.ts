// `sluice check`: every fault of the configuration with its path, never a value.

import { loadConfig } from '../gateway/config.ts';

export function check(options: { readonly config?: string }): number {
  const loaded = loadConfig(options.config, process.env);
  for (const fault of loaded.faults) {
    console.error(fault.path === '' ? fault.message : `${fault.path}: ${fault.message}`);
  }
  const count = loaded.faults.length;
  if (count > 0) {
    console.error(`${count} fault${count === 1 ? '' : 's'}`);
    return 1;
  }
  console.log(`${loaded.file ?? 'the environment'}: ok`);
  return 0;
}
