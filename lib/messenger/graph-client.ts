// The Send API as the clerk uses it: one call, and an outcome of three: sent, refused, unknown
// (messenger.md 4.4). It never repeats a call itself; who may, decides the desk.

import { type Clock, systemClock } from '../base/clock.ts';
import { type Log, silentLog } from '../base/log.ts';
import { classify, failureOf, readErrorBody, retryAfterOf } from './errors.ts';
import { isObject, textOf, webUrlOf } from './fields.ts';
import { actionBody, messageBody, ProofCache } from './graph-request.ts';
import { type GraphAnswer, GraphTransport, type GraphTransportLimits } from './graph-transport.ts';
import { parseJson } from './json.ts';
import { GRAPH_CALL_TIMEOUT_MS, GRAPH_SIDE_CALL_TIMEOUT_MS, PROOFS_MAX } from './limits.ts';
import type {
  CustomerProfile,
  GraphClient,
  SenderAction,
  SendOutcomeOfCall,
  SendRequest,
} from './types.ts';

export interface GraphClientOptions {
  /** Origin of the Graph API, e.g. 'https://graph.facebook.com'. A path is kept as a prefix. */
  readonly graphUrl: string;
  /** Pinned version, e.g. 'v25.0'. */
  readonly graphVersion: string;
  /** The Page's access token; undefined for a Page that is not configured. */
  readonly tokenOf: (page: string) => string | undefined;
  /** The current app secret: adds appsecret_proof to every call. */
  readonly appSecret?: string | undefined;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly callTimeoutMs?: number;
  readonly limits?: GraphTransportLimits;
}

/** What a token may hold: anything else would end up in a header. */
const TOKEN = /^[\x21-\x7e]{1,4096}$/;
const PROFILE_FIELDS = 'first_name,last_name,name,profile_pic';

/** @throws TypeError when graphUrl is not a URL */
export function createGraphClient(options: GraphClientOptions): GraphClient {
  return new PooledGraphClient(options);
}

class PooledGraphClient implements GraphClient {
  readonly #options: GraphClientOptions;
  readonly #transport: GraphTransport;
  readonly #proofs: ProofCache;
  readonly #prefix: string;
  readonly #log: Log;
  #versionSeen: string | undefined;

  constructor(options: GraphClientOptions) {
    const url = new URL(options.graphUrl);
    this.#options = options;
    this.#transport = new GraphTransport(url.origin, options.clock ?? systemClock, options.limits);
    this.#proofs = new ProofCache(options.appSecret, PROOFS_MAX);
    this.#prefix = `${url.pathname.replace(/\/+$/, '')}/${options.graphVersion}`;
    this.#log = options.log ?? silentLog;
  }

  async send(request: SendRequest, signal?: AbortSignal): Promise<SendOutcomeOfCall> {
    const token = this.#tokenOf(request.page);
    if (token === undefined) {
      return { outcome: 'refused', error: failureOf('T', undefined, undefined) };
    }
    const answer = await this.#transport.call({
      method: 'POST',
      path: this.#path(`${request.page}/messages`, token),
      token,
      body: messageBody(request),
      timeoutMs: this.#options.callTimeoutMs ?? GRAPH_CALL_TIMEOUT_MS,
      signal,
    });
    const outcome = this.#outcomeOf(answer, token);
    if (outcome.outcome !== 'sent') this.#logFailure(request.page, answer, outcome);
    return outcome;
  }

  async action(page: string, user: string, action: SenderAction): Promise<boolean> {
    const token = this.#tokenOf(page);
    if (token === undefined) return false;
    const answer = await this.#transport.call({
      method: 'POST',
      path: this.#path(`${page}/messages`, token),
      token,
      body: actionBody(user, action),
      timeoutMs: GRAPH_SIDE_CALL_TIMEOUT_MS,
    });
    return answer.state === 'answered' && isSuccess(answer.status);
  }

  async profile(page: string, user: string): Promise<CustomerProfile | undefined> {
    const token = this.#tokenOf(page);
    if (token === undefined) return undefined;
    const answer = await this.#transport.call({
      method: 'GET',
      path: this.#path(`${encodeURIComponent(user)}?fields=${PROFILE_FIELDS}`, token),
      token,
      timeoutMs: GRAPH_SIDE_CALL_TIMEOUT_MS,
    });
    if (answer.state !== 'answered' || !isSuccess(answer.status)) return undefined;
    return profileOf(bodyOf(answer.text));
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  #tokenOf(page: string): string | undefined {
    const token = this.#options.tokenOf(page);
    return token !== undefined && TOKEN.test(token) ? token : undefined;
  }

  #path(target: string, token: string): string {
    const proof = this.#proofs.parameterOf(token);
    if (proof === '') return `${this.#prefix}/${target}`;
    return `${this.#prefix}/${target}${target.includes('?') ? '&' : '?'}${proof}`;
  }

  #outcomeOf(answer: GraphAnswer, token: string): SendOutcomeOfCall {
    if (answer.state === 'unsent') {
      return { outcome: 'refused', error: failureOf('R', undefined, undefined) };
    }
    if (answer.state === 'lost') {
      return { outcome: 'unknown', error: failureOf('U', undefined, undefined) };
    }
    this.#noteVersion(answer.header('facebook-api-version'));
    const { status } = answer;
    const body = bodyOf(answer.text);
    const mid = isObject(body) ? textOf(body['message_id']) : undefined;
    if (isSuccess(status) && mid !== undefined) return { outcome: 'sent', mid };
    const error = isSuccess(status) ? undefined : readErrorBody(body);
    const isReadable = error?.code !== undefined || status === 429;
    const kind = isReadable ? classify(status, error ?? { isTransient: false }) : 'U';
    const retryAfterMs =
      kind === 'L' ? retryAfterOf(answer.header('x-business-use-case-usage')) : undefined;
    const secrets = [token, this.#options.appSecret ?? ''];
    const failure = failureOf(kind, status, error, { retryAfterMs, secrets });
    return { outcome: kind === 'U' ? 'unknown' : 'refused', error: failure };
  }

  /** After a version's end Meta silently answers with another one. */
  #noteVersion(version: string | undefined): void {
    if (version === undefined || version === this.#versionSeen) return;
    this.#versionSeen = version;
    const pinned = this.#options.graphVersion;
    if (version !== pinned) {
      this.#log.warn(
        { pinned, answered: version.slice(0, 16) },
        'Meta answers with another version.',
      );
    }
  }

  #logFailure(page: string, answer: GraphAnswer, outcome: SendOutcomeOfCall): void {
    if (outcome.outcome === 'sent') return;
    const why = answer.state === 'answered' ? undefined : answer.why;
    const { class: kind, meta } = outcome.error;
    this.#log.warn(
      { page, outcome: outcome.outcome, class: kind, why, meta },
      'A send did not succeed.',
    );
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/** undefined for anything that is not JSON. */
function bodyOf(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function profileOf(body: unknown): CustomerProfile | undefined {
  if (!isObject(body)) return undefined;
  const firstName = textOf(body['first_name']);
  const lastName = textOf(body['last_name']);
  const joined = [firstName, lastName].filter((part) => part !== undefined).join(' ');
  const name = textOf(body['name']) ?? textOf(joined);
  const picture = webUrlOf(body['profile_pic']);
  if (name === undefined && picture === undefined) return undefined;
  return {
    ...(name === undefined ? undefined : { name }),
    ...(firstName === undefined ? undefined : { firstName }),
    ...(lastName === undefined ? undefined : { lastName }),
    ...(picture === undefined ? undefined : { picture }),
  };
}
