// Meta's door (contract.md section 3). A POST is answered 200 only after every event of it is durable:
//
//   header's syntax -> 401      body over a bound -> 413, 503      signature over the raw bytes -> 401
//   not JSON -> 400             events of our Pages -> records -> journal.append -> 200
//   the journal cannot, or took longer than WEBHOOK_ANSWER_MAX_MS -> 503, and Meta sends it again
//
// Knows nothing of conversations or agents: translation only, nothing is looked up on this path.

import type { Clock, Timer } from '../base/clock.ts';
import { isSluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Appended, Journal, NewRecord } from '../journal/types.ts';
import { parseSignatureHeader, type SignatureVerifier } from '../messenger/signature.ts';
import type { MessengerEvent, ParsedWebhook } from '../messenger/types.ts';
import { answerVerification } from '../messenger/verification.ts';
import type { ServerRequest, ServerResponse } from '../server/types.ts';
import { RETRY_AFTER_SECONDS, WEBHOOK_ANSWER_MAX_MS, WEBHOOK_SWEEP_MS } from './limits.ts';
import { type ProblemCode, sendProblem } from './problem.ts';
import type { GatewayCounters } from './stats.ts';
import { toRecord } from './to-record.ts';
import { WaitingPosts } from './waiting-posts.ts';

/** The asset of what the Test button of Meta's dashboard sends (messenger.md 3.5). */
const TEST_ASSET = '0';

export interface WebhookRouteOptions {
  readonly verifyToken: string;
  readonly bodyBytesMax: number;
  readonly bodyBytesTotalMax: number;
  readonly pageIds: readonly string[];
  readonly signature: SignatureVerifier;
  /** undefined: not JSON. */
  readonly parse: (body: Buffer) => ParsedWebhook | undefined;
  readonly journal: Pick<Journal, 'append'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: GatewayCounters;
}

export class WebhookRoute {
  readonly #options: WebhookRouteOptions;
  readonly #pages: ReadonlySet<string>;
  readonly #waiting = new WaitingPosts();
  #bodyBytes = 0;
  #sweep: Timer | undefined;

  constructor(options: WebhookRouteOptions) {
    this.#options = options;
    this.#pages = new Set(options.pageIds);
  }

  /** Bodies that are being received, in bytes. */
  get bodyBytes(): number {
    return this.#bodyBytes;
  }

  /** Posts that wait for the journal. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** GET: Meta asks whether this address is ours (messenger.md 1.1). */
  handleVerification(request: ServerRequest, response: ServerResponse): void {
    const { status, body } = answerVerification(request.query, this.#options.verifyToken);
    if (status === 403) {
      sendProblem(response, 'forbidden', 'The verify token or the mode is wrong.');
    } else if (status === 400) {
      sendProblem(response, 'bad_request', 'The challenge is missing, too long or not plain text.');
    } else {
      response.status(200).header('Content-Type', 'text/plain');
      response.header('X-Content-Type-Options', 'nosniff').end(body);
    }
  }

  /** POST: events. */
  handlePost(request: ServerRequest, response: ServerResponse): void {
    const { bodyBytesMax, bodyBytesTotalMax } = this.#options;
    const digest = parseSignatureHeader(request.header('x-hub-signature-256'));
    if (digest === undefined) {
      this.#refuse(response, 'unauthorized', 'The signature is missing or malformed.');
      return;
    }
    const expected = expectedBytes(request, bodyBytesMax);
    if (expected > bodyBytesMax) {
      this.#refuse(response, 'too_large', 'The body is over the limit.');
      return;
    }
    if (this.#bodyBytes + expected > bodyBytesTotalMax) {
      this.#unavailable(response);
      return;
    }
    this.#bodyBytes += expected;
    request.limitBody(bodyBytesMax);
    request.onBody(
      (body) => {
        this.#bodyBytes -= expected;
        this.#receive(body, digest, response);
      },
      () => {
        // The server has answered 400 or 413, or the client is gone.
        this.#bodyBytes -= expected;
        this.#options.counters.webhooksRefused += 1;
      },
    );
  }

  #receive(body: Buffer, digest: string, response: ServerResponse): void {
    const { signature, parse, counters, clock } = this.#options;
    if (!signature.verifyDigest(body, digest)) {
      this.#refuse(response, 'unauthorized', 'The signature does not fit the body.');
      return;
    }
    const webhook = parse(body);
    if (webhook === undefined) {
      this.#refuse(response, 'bad_request', 'The body is not JSON.');
      return;
    }
    counters.webhooks += 1;
    counters.damagedEvents += webhook.damaged;
    const records: NewRecord[] = [];
    const now = clock.now();
    for (const event of webhook.events) {
      if (this.#pages.has(event.asset)) records.push(toRecord(event, now));
      else this.#noteUnconfigured(event);
    }
    if (records.length === 0) {
      this.#accept(response);
      return;
    }
    this.#store(records, response);
  }

  /** Counted only; a test event is what somebody at the dashboard waits to see. */
  #noteUnconfigured(event: MessengerEvent): void {
    const { counters, log } = this.#options;
    counters.unconfiguredEvents += 1;
    if (event.asset !== TEST_ASSET) return;
    log.info({ kind: event.kind, name: event.data['name'] }, 'A test event of Meta arrived.');
  }

  #store(records: readonly NewRecord[], response: ServerResponse): void {
    const waiting = this.#waiting.add(response, this.#options.clock.monotonicMs());
    this.#sweep ??= this.#options.clock.after(WEBHOOK_SWEEP_MS, () => this.#giveUpOnLate());
    this.#options.journal.append(records).then(
      (results) => {
        const waiter = this.#waiting.settle(waiting);
        if (waiter !== undefined) this.#accept(waiter);
        this.#count(results);
      },
      (error: unknown) => {
        this.#logRefusal(error);
        const waiter = this.#waiting.settle(waiting);
        if (waiter !== undefined) this.#unavailable(waiter);
      },
    );
  }

  #count(results: readonly Appended[]): void {
    const { counters } = this.#options;
    for (const result of results) {
      if (result.status === 'appended') counters.events += 1;
      else counters.duplicates += 1;
    }
  }

  #giveUpOnLate(): void {
    this.#sweep = undefined;
    const { clock } = this.#options;
    const latest = clock.monotonicMs() - WEBHOOK_ANSWER_MAX_MS;
    for (const response of this.#waiting.takeLate(latest)) this.#unavailable(response);
    if (this.#waiting.size > 0) {
      this.#sweep = clock.after(WEBHOOK_SWEEP_MS, () => this.#giveUpOnLate());
    }
  }

  #accept(response: ServerResponse): void {
    this.#options.counters.webhooksAccepted += 1;
    response.status(200).end('EVENT_RECEIVED');
  }

  #refuse(response: ServerResponse, code: ProblemCode, detail: string): void {
    this.#options.counters.webhooksRefused += 1;
    sendProblem(response, code, detail);
  }

  #unavailable(response: ServerResponse): void {
    this.#options.counters.webhooksUnavailable += 1;
    response.header('Retry-After', String(RETRY_AFTER_SECONDS));
    sendProblem(response, 'unavailable', 'The events cannot be stored now.');
  }

  #logRefusal(error: unknown): void {
    const { log } = this.#options;
    if (isSluiceError(error, 'ERR_JOURNAL_UNAVAILABLE')) {
      log.warn({ code: error.code }, 'A webhook was refused: the journal cannot take it.');
      return;
    }
    const code = isSluiceError(error) ? error.code : 'unknown';
    const reason = error instanceof Error ? error.message : String(error);
    log.error({ code, reason }, 'A webhook could not be stored.');
  }
}

/**
 * What the body may take in memory: its announced length; with a chunked body everything is
 * possible.
 */
function expectedBytes(request: ServerRequest, bodyBytesMax: number): number {
  const length = request.header('content-length');
  if (length !== undefined) return Number(length);
  return request.header('transfer-encoding') === undefined ? 0 : bodyBytesMax;
}
