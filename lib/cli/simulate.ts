// `sluice simulate`: Meta's side alone, on loopback, for a gateway that runs elsewhere on this machine.

import { randomBytes } from 'node:crypto';
import { probeAddress } from '../net/port-probe.ts';
import { createSimulator } from '../simulator/simulator.ts';
import { runUntilSignal } from './shutdown.ts';

export const DEMO_PAGES = [
  { id: '112233445566778', name: 'Blue Jacket Store' },
  { id: '998877665544332', name: 'Maison Corse' },
] as const;
export const DEMO_APP_ID = '1122334455667788';

export interface SimulateOptions {
  readonly port: number;
  readonly gateway: string;
}

export async function simulate(options: SimulateOptions): Promise<number> {
  if (!URL.canParse(options.gateway)) {
    console.error('sluice: --gateway is a URL such as http://127.0.0.1:8080');
    return 2;
  }
  const secret = (): string => randomBytes(16).toString('hex');
  const settings = { appSecret: secret(), verifyToken: secret() };
  const pages = DEMO_PAGES.map((page) => ({ ...page, accessToken: `sim-${secret()}` }));
  const simulator = createSimulator({
    port: options.port,
    gatewayUrl: options.gateway,
    appId: DEMO_APP_ID,
    pages,
    ...settings,
  });
  if (options.port !== 0) await probeAddress('127.0.0.1', options.port);
  const { url } = await simulator.start();
  // Before anything is printed: who waits for it may send a signal at once.
  const ended = runUntilSignal(() => simulator.stop());
  const messenger = { ...settings, appId: DEMO_APP_ID, graphUrl: url, pages };
  console.log(`Meta simulator  ${url}   (phone page: ${url}/)`);
  console.log('\nThe gateway needs this in its configuration:\n');
  const { appSecret, ...rest } = messenger;
  console.log(JSON.stringify({ messenger: { ...rest, appSecrets: [appSecret] } }, null, 2));
  return ended;
}
