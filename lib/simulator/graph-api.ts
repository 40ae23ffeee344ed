// The Graph API as far as a messaging app needs it: messages, sender actions, profiles, conversations,
// subscriptions. Plain functions of a request; what they answer is sent by routes.ts.

import type { Clock } from '../base/clock.ts';
import { envelopeOf, type GraphRefusal, invalid, REFUSALS, refusal } from './graph-errors.ts';
import { conversationList, profileView } from './graph-views.ts';
import { CALLS_MAX, SENT_MAX } from './limits.ts';
import { judgeSend, type OutgoingMessage, type SendRequest } from './send-request.ts';
import { Subscriptions } from './subscriptions.ts';
import type {
  GraphCallRecord,
  PhoneMessage,
  SendFault,
  SentMessage,
  SimulatedPage,
} from './types.ts';
import { isProof, newMid } from './wire.ts';
import type { Thread, World } from './world.ts';

export interface GraphRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization?: string | undefined;
  /** Parsed; undefined when there was none or it could not be read. */
  readonly body: unknown;
}

/** `answer`: send it. `hang`: never answer. `reset`: break the connection in the middle. */
export interface GraphReply {
  readonly fate: 'answer' | 'hang' | 'reset';
  readonly status: number;
  /** JSON text, or something that is not of the Graph API. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Runs once the answer is on its way. */
  readonly afterwards?: () => void;
}

export interface GraphApiOptions {
  readonly world: World;
  readonly clock: Clock;
  readonly appId: string;
  readonly appSecret: string;
  /** Where a customer's picture can be had. */
  readonly pictureUrl: (user: string) => string;
  readonly takeFault: () => SendFault | undefined;
  /**
   * A message was accepted: its echo and receipts are due.
   * @returns resolves when the echo has arrived, or never will
   */
  readonly publish: (sent: SentMessage, thread: Thread) => Promise<void>;
}

interface Call {
  readonly request: GraphRequest;
  readonly version: string;
  readonly segments: readonly string[];
  readonly page: SimulatedPage;
}

type Result =
  | { readonly ok: true; readonly value: unknown; readonly more?: Partial<Outcome> }
  | { readonly ok: false; readonly error: GraphRefusal };

/** What a send adds to its answer. */
interface Outcome {
  readonly mid: string;
  readonly fault: SendFault;
  readonly fate: GraphReply['fate'];
  readonly raw: string;
  readonly status: number;
  readonly afterwards: () => void;
}

const VERSION = /^v\d{1,3}\.\d{1,2}$/;

export class GraphApi {
  readonly subscriptions: Subscriptions;
  readonly #options: GraphApiOptions;
  readonly #calls: GraphCallRecord[] = [];
  readonly #sent: SentMessage[] = [];

  constructor(options: GraphApiOptions) {
    this.#options = options;
    this.subscriptions = new Subscriptions(options.appId);
  }

  /** Every call that arrived, oldest first. */
  get calls(): readonly GraphCallRecord[] {
    return this.#calls;
  }

  /** Every message that was accepted, oldest first. */
  get sentMessages(): readonly SentMessage[] {
    return this.#sent;
  }

  async handle(request: GraphRequest): Promise<GraphReply> {
    const [first = '', ...others] = request.path.split('/').filter((part) => part !== '');
    const version = VERSION.test(first) ? first : 'v25.0';
    const segments = VERSION.test(first) ? others : [first, ...others];
    const page = this.#authorize(request);
    const result: Result =
      'code' in page
        ? { ok: false, error: page }
        : await this.#route({ request, version, segments, page });
    const reply = replyOf(result, version);
    this.#record(request, 'code' in page ? undefined : page.id, result, reply);
    return reply;
  }

  #authorize({ authorization, query, body }: GraphRequest): SimulatedPage | GraphRefusal {
    const bodyMember = (name: string): unknown =>
      typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
    const bearer = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];
    const token = bearer ?? query.get('access_token') ?? bodyMember('access_token');
    if (typeof token !== 'string') return REFUSALS.token;
    const page = this.#options.world.pageOfToken(token);
    if (page === undefined) return REFUSALS.token;
    const proof = query.get('appsecret_proof') ?? bodyMember('appsecret_proof');
    if (typeof proof === 'string' && !isProof(proof, token, this.#options.appSecret)) {
      return REFUSALS.proof;
    }
    return page;
  }

  #route(call: Call): Result | Promise<Result> {
    const { request, segments, page } = call;
    const [target = '', edge, ...rest] = segments;
    if (rest.length > 0) return refused(REFUSALS.object);
    if (edge === undefined) return this.#node(target, call);
    if (target !== 'me' && target !== page.id) return refused(REFUSALS.object);
    if (edge === 'messages' && request.method === 'POST') return this.#messages(call);
    if (edge === 'subscribed_apps') return this.#subscribedApps(call);
    if (edge === 'conversations' && request.method === 'GET') {
      return accepted(conversationList(this.#options.world, page, request.query));
    }
    return refused(REFUSALS.object);
  }

  /** GET /PSID, GET /PAGE, GET /me */
  #node(target: string, { request, page }: Call): Result {
    if (request.method !== 'GET') return refused(REFUSALS.object);
    if (target === 'me' || target === page.id) return accepted({ name: page.name, id: page.id });
    const customer = this.#options.world.customer(target);
    if (customer === undefined) return refused(REFUSALS.object);
    const picture = this.#options.pictureUrl(customer.id);
    return accepted(profileView(customer, request.query.get('fields'), picture));
  }

  #subscribedApps({ request, page }: Call): Result {
    const { subscriptions } = this;
    if (request.method === 'GET') return accepted(subscriptions.view(page.id));
    if (request.method === 'DELETE') subscriptions.remove(page.id);
    else if (request.method !== 'POST') return refused(REFUSALS.object);
    else if (!subscriptions.set(page.id, request.query, request.body)) {
      return refused(invalid('Param subscribed_fields must name known fields.'));
    }
    return accepted({ success: true });
  }

  async #messages({ request, page }: Call): Promise<Result> {
    const judged = judgeSend(request.body);
    if (!judged.ok) return judged;
    const send = judged.value;
    const { world } = this.#options;
    if (world.customer(send.user) === undefined) return refused(REFUSALS.user);
    const thread = world.thread(page.id, send.user);
    if (send.kind === 'message') return this.#send(send.message, thread);
    return this.#act(send, thread);
  }

  #act(send: Exclude<SendRequest, { kind: 'message' }>, thread: Thread): Result {
    const { world, clock } = this.#options;
    if (send.kind === 'reaction') {
      const message = world.find(thread, send.mid);
      if (message === undefined) return refused(invalid('The message does not exist.'));
      const { page: _page, ...others } = message.reactions ?? {};
      const reactions = send.emoji === undefined ? others : { ...others, page: send.emoji };
      world.update(thread, send.mid, { reactions });
    } else if (send.action === 'mark_seen') {
      thread.pageSeenAt = clock.now();
      world.changed(thread);
    } else {
      world.setTyping(thread, send.action === 'typing_on');
    }
    return accepted({ recipient_id: thread.user });
  }

  async #send(message: OutgoingMessage, thread: Thread): Promise<Result> {
    const { world, takeFault } = this.#options;
    if (!world.mayAnswer(thread, message.tag)) return refused(REFUSALS.window);
    if (message.replyTo !== undefined && world.find(thread, message.replyTo) === undefined) {
      return refused(invalid('reply_to names a message that does not exist.'));
    }
    const fault = takeFault();
    if (fault !== undefined) return this.#sendUnder(fault, message, thread);
    const sent = this.#accept(message, thread);
    return success(sent, { afterwards: () => this.#publish(sent, thread) });
  }

  /** Faults decide on two things: whether the message goes out, and what is answered. */
  async #sendUnder(fault: SendFault, message: OutgoingMessage, thread: Thread): Promise<Result> {
    if ((fault.kind === 'error' || fault.kind === 'status') && fault.sent !== true) {
      return failing(fault);
    }
    if (fault.kind === 'reset' && fault.sent === false) {
      return { ok: true, value: undefined, more: { fault, fate: 'reset' } };
    }
    if (fault.kind === 'slow') await this.#delay(fault.ms);
    const sent = this.#accept(message, thread);
    const afterwards = (): void => this.#publish(sent, thread);
    switch (fault.kind) {
      case 'error':
      case 'status':
        return withSent(failing(fault), sent, afterwards);
      case 'lost_answer':
        return success(sent, { fault, fate: 'hang', afterwards });
      case 'reset':
        return success(sent, { fault, fate: 'reset', afterwards });
      case 'drop_echo':
        return success(sent, { fault });
      case 'delay_echo':
        this.#options.clock.after(fault.ms, afterwards);
        return success(sent, { fault });
      case 'echo_first':
        await this.#options.publish(sent, thread);
        return success(sent, { fault });
      default:
        return success(sent, { fault, afterwards });
    }
  }

  #accept(message: OutgoingMessage, thread: Thread): SentMessage {
    const at = this.#options.world.stamp(thread);
    const mid = newMid();
    const { metadata, tag, ...content } = message;
    const bubble: PhoneMessage = { mid, at, from: 'page', ...content };
    const sent = { mid, at, page: thread.page, user: thread.user, ...message };
    this.#sent.push(sent);
    if (this.#sent.length > SENT_MAX) this.#sent.shift();
    this.#options.world.add(thread, bubble);
    return sent;
  }

  #publish(sent: SentMessage, thread: Thread): void {
    void this.#options.publish(sent, thread);
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(ms, resolve));
  }

  #record(
    request: GraphRequest,
    page: string | undefined,
    result: Result,
    reply: GraphReply,
  ): void {
    const more = result.ok ? result.more : undefined;
    this.#calls.push({
      at: this.#options.clock.now(),
      method: request.method,
      path: request.path,
      ...(page === undefined ? undefined : { page }),
      ...(request.body === undefined ? undefined : { body: request.body }),
      status: reply.fate === 'answer' ? reply.status : 0,
      ...(more?.mid === undefined ? undefined : { mid: more.mid }),
      ...(more?.fault === undefined ? undefined : { fault: more.fault.kind }),
    });
    if (this.#calls.length > CALLS_MAX) this.#calls.shift();
  }
}

function accepted(value: unknown): Result {
  return { ok: true, value };
}

function refused(error: GraphRefusal): Result {
  return { ok: false, error };
}

function success(sent: SentMessage, more: Partial<Outcome>): Result {
  const value = { recipient_id: sent.user, message_id: sent.mid };
  return { ok: true, value, more: { mid: sent.mid, ...more } };
}

/** The answer of a fault, in the envelope or as something that is not of the Graph API. */
function failing(fault: Extract<SendFault, { kind: 'error' | 'status' }>): Result {
  if (fault.kind === 'status') {
    const raw = '<html><body>Sorry, something went wrong.</body></html>';
    return { ok: true, value: undefined, more: { fault, status: fault.status, raw } };
  }
  const base = refusal(fault.code, 'A fault of the simulator.', fault.subcode);
  const transient = fault.transient === undefined ? undefined : { transient: fault.transient };
  const error = { ...base, ...transient };
  const status = fault.status ?? base.status;
  return { ok: true, value: envelopeOf(error), more: { fault, status } };
}

function withSent(result: Result, sent: SentMessage, afterwards: () => void): Result {
  if (!result.ok) return result;
  return { ...result, more: { ...result.more, mid: sent.mid, afterwards } };
}

function replyOf(result: Result, version: string): GraphReply {
  const headers = { 'facebook-api-version': version };
  if (!result.ok) {
    const { error } = result;
    return {
      fate: 'answer',
      status: error.status,
      body: JSON.stringify(envelopeOf(error)),
      headers,
    };
  }
  const { fate = 'answer', status = 200, raw, afterwards } = result.more ?? {};
  return {
    fate,
    status,
    body: raw ?? JSON.stringify(result.value ?? {}),
    headers,
    ...(afterwards === undefined ? undefined : { afterwards }),
  };
}
