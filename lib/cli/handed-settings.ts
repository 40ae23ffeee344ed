// What the supervisor of a gateway hands to its processes: the settings, checked once, in a variable of their
// environment, which belongs to the same user as the secrets in it. So they need not read and check the configuration.

import type { GatewayConfig } from '../gateway/config-schema.ts';
import type { GatewaySettings } from '../gateway/settings.ts';

const VARIABLE = 'SLUICE_HANDED';
/** Of one variable Linux takes 128 KiB (execve(2), MAX_ARG_STRLEN). */
const BYTES_MAX = 120 * 1024;

export interface HandedSettings {
  readonly settings: GatewaySettings;
  readonly admin: Pick<GatewayConfig['admin'], 'host' | 'token'>;
}

/** The variable; nothing when the settings are too long for one: then the configuration is read again. */
export function handDown(handed: HandedSettings): Readonly<Record<string, string>> {
  const text = JSON.stringify(handed);
  return Buffer.byteLength(text) > BYTES_MAX ? {} : { [VARIABLE]: text };
}

/** Reads the variable and removes it. */
export function takeHanded(env: NodeJS.ProcessEnv): HandedSettings | undefined {
  const text = env[VARIABLE];
  delete env[VARIABLE];
  return text === undefined ? undefined : (JSON.parse(text) as HandedSettings);
}
