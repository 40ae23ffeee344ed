// `sluice check`: every fault of the configuration with its path, never a value.

import { type LoadedConfig, loadConfig } from '../gateway/config.ts';
import { settingsOf } from '../gateway/config-settings.ts';
import { findTlsFaults } from '../gateway/listen-tls.ts';
import type { ListenSettings } from '../gateway/settings.ts';

export function check(options: { readonly config?: string }): number {
  const loaded = loadConfig(options.config, process.env);
  const faults = [...loaded.faults];
  for (const { index, message } of findTlsFaults(listenOf(loaded))) {
    faults.push({ path: `listen.${index}.tls`, message });
  }
  for (const fault of faults) {
    console.error(fault.path === '' ? fault.message : `${fault.path}: ${fault.message}`);
  }
  const count = faults.length;
  if (count > 0) {
    console.error(`${count} fault${count === 1 ? '' : 's'}`);
    return 1;
  }
  console.log(`${loaded.file ?? 'the environment'}: ok`);
  return 0;
}

function listenOf(loaded: LoadedConfig): readonly ListenSettings[] {
  return loaded.config === undefined ? [] : settingsOf(loaded.config).listen;
}
