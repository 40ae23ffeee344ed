// The HTTP side for agents: GET /api/v1/session, and problem answers for everything else under /api/.

import type { Server, ServerRequest, ServerResponse } from '../server/types.ts';
import type { Admissions } from './admission.ts';
import { problemOfStatus, sendProblem } from './problem.ts';

const SESSION_PATH = '/api/v1/session';
/** Resources of the interface that are built later. */
const RESERVED_PATHS = ['/api/v1/conversations', '/api/v1/conversations/*'] as const;
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** Adds the routes to a server. */
export function addRestRoutes(server: Server, admissions: Admissions): void {
  server.get(SESSION_PATH, (request, response) => answerSession(admissions, request, response));
  for (const method of METHODS) {
    for (const path of RESERVED_PATHS) server.route(method, path, refuseReserved);
    server.route(method, '/api/*', refuseUnknown);
  }
}

/**
 * What the token is good for, or the status that a handshake would get: browsers cannot see that
 * one's.
 */
async function answerSession(
  admissions: Admissions,
  request: ServerRequest,
  response: ServerResponse,
): Promise<void> {
  const admission = await admissions.decide(request);
  if (!admission.ok) {
    sendProblem(response, problemOfStatus(admission.status), admission.reason);
    return;
  }
  const { person, scope, expiresAt } = admission.identity;
  response
    .status(200)
    .header('Content-Type', 'application/json')
    .header('Cache-Control', 'no-store')
    .end(JSON.stringify({ agent: person, pages: scope.pages, expiresAt }));
}

function refuseReserved(_request: ServerRequest, response: ServerResponse): void {
  sendProblem(response, 'unsupported', 'This resource is not built yet.');
}

function refuseUnknown(request: ServerRequest, response: ServerResponse): void {
  if (request.path === SESSION_PATH) {
    response.header('Allow', 'GET, HEAD');
    sendProblem(response, 'method_not_allowed', 'This resource can only be read.');
    return;
  }
  sendProblem(response, 'not_found', 'There is no such resource.');
}
