// Which path leads where, on every listening address of the gateway.

import { createSignatureVerifier, nativeMac } from '../messenger/signature.ts';
import { parseWebhook } from '../messenger/webhook.ts';
import type { RouteHandler, Server } from '../server/types.ts';
import { createAgentRoute } from './agent-route.ts';
import { addConsoleRoutes, type ConsoleFiles } from './console-route.ts';
import type { GatewayCore } from './gateway-core.ts';
import { requireClientName } from './listen-tls.ts';
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
    connectionsPerIp: limits.connectionsPerIp,
    heartbeatSeconds: agents.heartbeatSeconds,
    messageBytes: limits.messageBytes,
    queueBytes: limits.queueBytes,
  });
  const refused = (): void => {
    core.options.counters.webhooksRefused += 1;
  };
  for (const [index, server] of servers.entries()) {
    const name = settings.listen[index]?.tls?.clientName;
    const verify: RouteHandler = (request, response) =>
      webhook.handleVerification(request, response);
    const post: RouteHandler = (request, response) => webhook.handlePost(request, response);
    server.get(messenger.webhookPath, requireClientName(name, verify, refused));
    server.post(messenger.webhookPath, requireClientName(name, post, refused));
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
