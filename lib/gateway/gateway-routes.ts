// Which path leads where, on every listening address of the gateway.

import { createSignatureVerifier, nativeMac } from '../messenger/signature.ts';
import { parseWebhook } from '../messenger/webhook.ts';
import type { Server } from '../server/types.ts';
import { createAgentRoute } from './agent-route.ts';
import { addConsoleRoutes, type ConsoleFiles } from './console-route.ts';
import type { GatewayCore } from './gateway-core.ts';
import { addRestRoutes } from './rest.ts';
import type { GatewaySettings } from './settings.ts';
import { WebhookRoute } from './webhook-route.ts';

/** Adds all routes; call before listen(). */
export function addRoutes(
  servers: readonly Server[],
  core: GatewayCore,
  settings: GatewaySettings,
  files: ConsoleFiles,
): void {
  const { messenger, agents, limits, console } = settings;
  const webhook = createWebhook(core, settings);
  const agentRoute = createAgentRoute({
    admissions: core.admissions,
    world: core.world,
    sessionsPerAgent: agents.sessionsPerAgent,
    heartbeatSeconds: agents.heartbeatSeconds,
    messageBytes: limits.messageBytes,
    queueBytes: limits.queueBytes,
  });
  for (const server of servers) {
    server.get(messenger.webhookPath, (request, response) =>
      webhook.handleVerification(request, response),
    );
    server.post(messenger.webhookPath, (request, response) =>
      webhook.handlePost(request, response),
    );
    server.websocket(agents.path, agentRoute);
    addRestRoutes(server, core.admissions);
    if (console.enabled) addConsoleRoutes(server, console.path, files);
  }
}

function createWebhook(core: GatewayCore, settings: GatewaySettings): WebhookRoute {
  const { journal, clock, log, counters } = core.options;
  const { verifyToken, appSecrets, pages } = settings.messenger;
  return new WebhookRoute({
    verifyToken,
    bodyBytesMax: settings.limits.bodyBytes,
    bodyBytesTotalMax: settings.limits.bodyBytesTotal,
    pageIds: pages.map((page) => page.id),
    signature: createSignatureVerifier(appSecrets, nativeMac),
    parse: parseWebhook,
    journal,
    clock,
    log,
    counters,
  });
}
