// `sluice dev` (npm start): gateway, Meta simulator and console in one process on an embedded store. Makes
// its own secrets once per data folder, so that a restart keeps everybody logged in.

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDataFolder } from '../base/data-folder.ts';
import { isLoopbackHost } from '../base/ip-address.ts';
import { checkConfig, configError, loadConfig } from '../gateway/config.ts';
import type { GatewayConfig } from '../gateway/config-schema.ts';
import { mintToken } from '../gateway/tokens.ts';
import { probeAddress } from '../net/port-probe.ts';
import { createSimulator } from '../simulator/simulator.ts';
import { createTerminalLog } from './logger.ts';
import { type Service, serve } from './serve.ts';
import { runUntilSignal } from './shutdown.ts';
import { DEMO_APP_ID, DEMO_PAGES } from './simulate.ts';

const LOGIN_SECONDS = 30 * 86_400;
const SECRETS_FILE = 'dev-secrets.json';

export interface DevOptions {
  readonly config?: string;
  readonly port: number;
  readonly simulatorPort: number;
  readonly adminPort: number;
  readonly data: string;
}

interface DevSecrets {
  readonly verifyToken: string;
  readonly appSecret: string;
  readonly accessToken: string;
  readonly jwtSecret: string;
}

/** The folder's own secrets; made at the first start, readable by the owner only. */
function devSecrets(folder: string): DevSecrets {
  const file = join(folder, SECRETS_FILE);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as DevSecrets;
  const secret = (): string => randomBytes(24).toString('hex');
  const made: DevSecrets = {
    verifyToken: secret(),
    appSecret: secret(),
    accessToken: `sim-${secret()}`,
    jwtSecret: secret(),
  };
  makeDataFolder(folder);
  writeFileSync(file, JSON.stringify(made), { mode: 0o600 });
  return made;
}

function embeddedConfig(options: DevOptions, secrets: DevSecrets): GatewayConfig {
  const { config, faults } = checkConfig({
    listen: [{ host: '127.0.0.1', port: options.port }],
    admin: { host: '127.0.0.1', port: options.adminPort },
    data: options.data,
    messenger: {
      verifyToken: secrets.verifyToken,
      appId: DEMO_APP_ID,
      appSecrets: [secrets.appSecret],
      graphUrl: `http://127.0.0.1:${options.simulatorPort}`,
      // Meta tells Pages apart by their tokens.
      pages: DEMO_PAGES.map((page) => ({
        ...page,
        accessToken: `${secrets.accessToken}-${page.id}`,
      })),
    },
    agents: { jwt: { secret: secrets.jwtSecret } },
  });
  if (config === undefined) throw configError(faults);
  return config;
}

/** A configuration that was given may name any store and Pages, but never the real Meta. */
function givenConfig(file: string): GatewayConfig {
  const { config, faults } = loadConfig(file, process.env);
  if (config === undefined) throw configError(faults);
  if (!isLoopbackHost(new URL(config.messenger.graphUrl).hostname)) {
    throw configError([{ path: 'messenger.graphUrl', message: 'must be loopback for sluice dev' }]);
  }
  return config;
}

function simulatorFor(config: GatewayConfig, gatewayPort: number) {
  const { messenger } = config;
  return createSimulator({
    port: Number(new URL(messenger.graphUrl).port),
    gatewayUrl: `http://127.0.0.1:${gatewayPort}`,
    webhookPath: messenger.webhookPath,
    verifyToken: messenger.verifyToken,
    appId: messenger.appId,
    appSecret: messenger.appSecrets[0] ?? '',
    pages: messenger.pages,
  });
}

/** With an identity provider only that one makes tokens. */
async function loginFragment(config: GatewayConfig): Promise<string> {
  const { secret } = config.agents.jwt;
  if (secret === undefined) return '';
  const claims = { id: 'ann', name: 'Ann', role: 'supervisor', pages: ['*'] } as const;
  return `#token=${await mintToken(secret, { ...claims, ttlSeconds: LOGIN_SECONDS })}`;
}

async function printAddresses(
  config: GatewayConfig,
  service: Service,
  phone: string,
): Promise<void> {
  const base = (service.urls[0] ?? '').replace('0.0.0.0', '127.0.0.1');
  console.log(`
  Sluice is running.

  Agents' console    ${base}${config.console.path}${await loginFragment(config)}
  Customer's phone   ${phone}/
  Admin              ${service.adminUrl}/status

  Write on the phone, answer in the console. Ctrl-C stops. Data: ${config.data}
`);
}

export async function dev(options: DevOptions): Promise<number> {
  const config =
    options.config === undefined
      ? embeddedConfig(options, devSecrets(options.data))
      : givenConfig(options.config);
  const log = createTerminalLog();
  const service = await serve(config, log);
  const simulator = simulatorFor(config, Number(new URL(service.urls[0] ?? '').port));
  const stop = async (): Promise<void> => {
    await simulator.stop();
    await service.stop();
  };
  try {
    await probeAddress('127.0.0.1', Number(new URL(config.messenger.graphUrl).port));
    const { url } = await simulator.start();
    if (!(await simulator.verifyWebhook())) log.warn({}, 'The gateway refused the verification.');
    // Before anybody is told: who reads the addresses may send a signal at once.
    const ended = runUntilSignal(stop);
    await printAddresses(config, service, url);
    return ended;
  } catch (error) {
    await stop();
    throw error;
  }
}
