// The simulator's HTTP: the phone page, its controls under /simulator/, and the Graph API everywhere
// else. Nothing is answered for a Host that is not loopback.

import type { Server, ServerRequest, ServerResponse } from '../server/types.ts';
import { performAction, performFaults } from './actions.ts';
import type { GraphReply } from './graph-api.ts';
import { envelopeOf, invalid } from './graph-errors.ts';
import { GRAPH_BODY_BYTES_MAX } from './limits.ts';
import { isLoopbackAuthority } from './loopback.ts';
import { phoneRoute } from './phone-feed.ts';
import { PHONE_HEADERS, readPhoneFile } from './phone-files.ts';
import { drawPicture } from './pictures.ts';
import type { Simulator } from './simulator.ts';

/** Thrown in the middle of an answer so that the server breaks the connection. */
class BrokenAnswer extends Error {}

/** Whether an error of a handler was wanted. */
export function isExpectedFailure(error: unknown): boolean {
  return error instanceof BrokenAnswer;
}

type Handler = (request: ServerRequest, response: ServerResponse) => unknown;

export function addRoutes(server: Server, simulator: Simulator): void {
  server.get('/', local(redirectToPhone));
  server.get('/phone', local(redirectToPhone));
  server.get('/phone/*', local(servePhoneFile));
  server.websocket('/phone/live', phoneRoute(simulator));
  server.get('/pictures/*', local(pictures(simulator)));
  server.get('/simulator/state', local(showState(simulator)));
  server.post('/simulator/actions', local(control((body) => performAction(simulator, body))));
  server.post('/simulator/faults', local(control((body) => performFaults(simulator, body))));
  const graph = local(serveGraph(simulator));
  for (const method of ['GET', 'POST', 'DELETE']) server.route(method, '/*', graph);
}

function local(handler: Handler): Handler {
  return (request, response) => {
    if (isLoopbackAuthority(request.headers['host'])) return handler(request, response);
    response.status(403).end('The simulator answers on loopback only.\n');
    return undefined;
  };
}

function redirectToPhone(_request: ServerRequest, response: ServerResponse): void {
  response.status(302).header('Location', '/phone/').end();
}

async function servePhoneFile(request: ServerRequest, response: ServerResponse): Promise<void> {
  const file = await readPhoneFile(request.path.slice('/phone/'.length));
  if (file === undefined) {
    response.status(404).end('Not found\n');
    return;
  }
  for (const [name, value] of Object.entries(PHONE_HEADERS)) response.header(name, value);
  response.header('Content-Type', file.type).end(file.bytes);
}

function pictures(simulator: Simulator): Handler {
  return (request, response) => {
    const file = request.path.slice('/pictures/'.length);
    const name = simulator.world.customer(file.replace(/\.svg$/, ''))?.name;
    const picture = drawPicture(file, name);
    if (picture === undefined) {
      response.status(404).end('Not found\n');
      return;
    }
    response.header('Content-Type', 'image/svg+xml').header('X-Content-Type-Options', 'nosniff');
    response.header('Content-Security-Policy', "default-src 'none'").end(picture);
  };
}

function showState(simulator: Simulator): Handler {
  return (_request, response) => {
    const { calls, sentMessages, webhooks, world, faults } = simulator;
    const pages = world.pages.map(({ id, name }) => ({ id, name }));
    const waiting = { sends: faults.waiting, webhooks: faults.webhooks };
    const customers = world.customers.slice(0, 1000);
    const state = { pages, customers, calls, sentMessages, webhooks, faults: waiting };
    sendJson(response, 200, JSON.stringify(state));
  };
}

/**
 * A page of another site cannot send this content type without being asked first, and is never
 * answered.
 */
function control(perform: (body: unknown) => { readonly ok: boolean }): Handler {
  return async (request, response) => {
    if (!isJson(request)) {
      sendJson(response, 415, JSON.stringify({ ok: false, error: 'Send application/json.' }));
      return;
    }
    const body = parseObject(await request.text());
    const result = perform(body);
    sendJson(response, result.ok ? 200 : 400, JSON.stringify(result));
  };
}

function serveGraph(simulator: Simulator): Handler {
  return async (request, response) => {
    request.limitBody(GRAPH_BODY_BYTES_MAX);
    const text = request.method === 'GET' ? '' : await request.text();
    const body = text === '' ? undefined : readBody(request, text);
    if (text !== '' && body === undefined) {
      sendJson(response, 400, JSON.stringify(envelopeOf(invalid('The body cannot be read.'))));
      return;
    }
    const reply = await simulator.graph.handle({
      method: request.method,
      path: request.path,
      query: request.query,
      authorization: request.headers['authorization'],
      body,
    });
    sendReply(response, reply);
  };
}

function sendReply(response: ServerResponse, reply: GraphReply): void {
  if (reply.fate === 'hang') {
    // The caller's patience ends it; the server forgets the response with the connection.
    reply.afterwards?.();
    return;
  }
  response.status(reply.status).header('Content-Type', 'application/json; charset=UTF-8');
  for (const [name, value] of Object.entries(reply.headers)) response.header(name, value);
  if (reply.fate === 'reset') {
    reply.afterwards?.();
    response.header('Content-Length', String(reply.body.length)).write('{');
    throw new BrokenAnswer('The connection is broken on purpose.');
  }
  response.onFinish(() => reply.afterwards?.());
  response.end(reply.body);
}

function sendJson(response: ServerResponse, status: number, body: string): void {
  response.status(status).header('Content-Type', 'application/json');
  response.header('Cache-Control', 'no-store').end(body);
}

function isJson(request: ServerRequest): boolean {
  return /^application\/json\b/i.test(request.headers['content-type'] ?? '');
}

/** JSON, or a form whose members may be JSON themselves: Meta takes both. */
function readBody(request: ServerRequest, text: string): unknown {
  if (isJson(request)) return parseObject(text);
  const form: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    form[name] = /^[[{]/.test(value) ? (parseObject(value) ?? value) : value;
  }
  return form;
}

function parseObject(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
