// `sluice check`: every fault of the configuration with its path, never a value.

import { faultText, loadConfig } from '../gateway/config.ts';
import { settingsOf } from '../gateway/config-settings.ts';
import { findTlsFaults } from '../gateway/listen-tls.ts';
import { workerCountOf } from './worker-count.ts';

export interface CheckOptions {
  readonly config?: string;
  /** Workers of a gateway that runs and is to go on as this version. */
  readonly running?: number;
}

export function check(options: CheckOptions): number {
  const loaded = loadConfig(options.config, process.env);
  const listen = loaded.config === undefined ? [] : settingsOf(loaded.config).listen;
  const faults = [...loaded.faults, ...findTlsFaults(listen)];
  const { running } = options;
  if (running !== undefined && loaded.config !== undefined) {
    // Places are what the processes know one another by.
    const workers = workerCountOf(loaded.config.workers);
    const message = `${running} run; another number takes a stop and a start`;
    if (workers !== running) faults.push({ path: 'workers', message });
  }
  for (const fault of faults) console.error(faultText(fault));
  const count = faults.length;
  if (count > 0) {
    console.error(`${count} fault${count === 1 ? '' : 's'}`);
    return 1;
  }
  console.log(`${loaded.file ?? 'the environment'}: ok`);
  return 0;
}
