// HTTP/1.1 on one connection: reads requests one after the other and reads the next one only when the
// answer is complete. Owns order, holding and time; the exchange answers, the parser knows the syntax.
//
//   head -> dispatch -> body -> end ---+--> answer finished -> next head, or close
//             |                        '--> answer pending: later bytes are held, reading pauses
//             '-> upgrade: held until accepted (another owner takes over) or refused

import { HTTP_FAULTS, type HttpFault } from '../../http/faults.ts';
import { ParseEvent, RequestParser } from '../../http/request-parser.ts';
import { DateSource, faultResponse } from '../../http/response-head.ts';
import type { Connection, ConnectionOwner } from '../../net/types.ts';
import type { HttpApplication } from './http-application.ts';
import { DISCARDED_BYTES_MAX } from './http-body.ts';
import { HttpDeadline } from './http-deadline.ts';
import { type ExchangeHost, HttpExchange } from './http-exchange.ts';
import { PendingUpgrade, type UpgradeHost } from './http-pending-upgrade.ts';

/**
 * Bytes of later requests that are kept while an answer is pending. Reading is paused long
 * before.
 */
export const HELD_BYTES_MAX = 512 * 1024;
/** From here on they are not read: until then a client that leaves is noticed at once. */
export const HELD_BYTES_READ = 16 * 1024;
const EMPTY = Buffer.alloc(0);

export class HttpConnection implements ConnectionOwner, ExchangeHost, UpgradeHost {
  readonly connection: Connection;
  readonly #application: HttpApplication;
  readonly #parser: RequestParser;
  readonly #deadline: HttpDeadline;
  readonly #date: DateSource;
  #exchange: HttpExchange | undefined;
  #upgrade: PendingUpgrade | undefined;
  #held: Buffer | undefined;
  #isRunning = false;
  /** Nothing more is read: refused, closing, or in other hands. */
  #isOver = false;
  #isDraining = false;
  #hasPeerEnded = false;
  #isBodyPaused = false;
  #isPaused = false;

  constructor(connection: Connection, application: HttpApplication) {
    this.connection = connection;
    this.#application = application;
    this.#parser = new RequestParser(application.limits);
    this.#deadline = new HttpDeadline(connection, application.limits);
    this.#date = DateSource.of(application.clock);
    this.#deadline.beginConnection();
  }

  /** The next answer is the last, and says so; until then the connection lives on. */
  endWithNextAnswer(): void {
    this.#isDraining = true;
  }

  /** Finishes the current request, if there is one, and closes; nothing else is begun. */
  drainAndClose(): void {
    this.#isDraining = true;
    if (this.#upgrade !== undefined) this.#upgrade.refuse(503);
    else if (this.#exchange === undefined && this.#parser.isIdle && !this.#isOver) this.close();
  }

  // ---- ConnectionOwner ---------------------------------------------------

  onData(_connection: Connection, slab: Buffer, start: number, end: number): void {
    if (this.#isOver) return;
    if (this.#mustWait()) this.#hold(Buffer.from(slab.subarray(start, end)));
    else this.#run(slab, start, end, true);
  }

  onEnd(): void {
    this.#hasPeerEnded = true;
    if (this.#isOver || this.#upgrade !== undefined) return;
    const exchange = this.#exchange;
    if (exchange === undefined) {
      this.close();
      return;
    }
    if (!exchange.isReceived) exchange.cut(HTTP_FAULTS.bodyCut);
    exchange.peerEnded();
  }

  onDrain(): void {
    this.#exchange?.response.connectionDrained();
  }

  onDeadline(): void {
    if (this.#isOver) return;
    switch (this.#deadline.expire()) {
      case 'head':
        if (this.#parser.isInHead) this.refuse(HTTP_FAULTS.headTimeout);
        else this.close();
        break;
      case 'body':
        this.#exchange?.cut(HTTP_FAULTS.bodyTimeout);
        break;
      case 'handshake':
        this.#expireUpgrade();
        break;
      case 'idle':
        this.close();
        break;
      case 'stalled':
        this.reset();
        break;
      default:
    }
  }

  onClose(): void {
    this.#isOver = true;
    this.#held = undefined;
    const exchange = this.#exchange;
    const upgrade = this.#upgrade;
    this.#exchange = undefined;
    this.#upgrade = undefined;
    upgrade?.expire();
    exchange?.gone();
    this.#application.connectionEnded?.(this.connection);
  }

  onFailure(_connection: Connection, error: unknown): void {
    if (this.#exchange !== undefined) {
      this.#exchange.fail(error);
      return;
    }
    this.#application.onError(error);
    if (!this.#isOver) this.reset();
  }

  // ---- ExchangeHost ------------------------------------------------------

  get date(): DateSource {
    return this.#date;
  }

  get isLasting(): boolean {
    if (this.#isOver || this.#isDraining) return false;
    // After the client's FIN only what it sent before can still be answered.
    return !this.#hasPeerEnded || this.#held !== undefined || this.#isRunning;
  }

  get bodyBytesLeft(): number {
    return this.#parser.bodyBytesLeft;
  }

  exchangeAnswered(): void {
    if (this.#isRunning || this.#isOver) return;
    const held = this.#held ?? EMPTY;
    this.#held = undefined;
    this.#run(held, 0, held.length, false);
    if (!this.#isOver) this.#updateReading();
  }

  exchangeMoved(): void {
    if (!this.#isRunning) this.#arm();
  }

  setBodyPaused(isPaused: boolean): void {
    this.#isBodyPaused = isPaused;
    if (this.#isOver) return;
    this.#updateReading();
    this.exchangeMoved();
  }

  refuse(fault: HttpFault): void {
    this.#application.counters?.answered(fault.status);
    this.connection.writeLatin1(faultResponse(fault, this.#date.text));
    this.close();
  }

  close(): void {
    this.#end();
    // A close lingers until the client has stopped sending: that needs reading.
    if (this.#isPaused) this.connection.resume();
    this.connection.close();
  }

  reset(): void {
    this.#end();
    this.connection.reset();
  }

  // ---- UpgradeHost -------------------------------------------------------

  upgradeAccepted(headText: string, owner: ConnectionOwner): void {
    this.#isOver = true;
    this.#deadline.off();
    this.#exchange?.request.detach();
    this.#exchange = undefined;
    this.#upgrade = undefined;
    this.connection.writeLatin1(headText);
    this.connection.owner = owner;
    this.#application.connectionEnded?.(this.connection);
    // Within a turn of #run, that hands the rest over; later the rest lies in #held.
    if (!this.#isRunning) queueMicrotask(() => this.#handOver());
  }

  upgradeRefused(
    status: number,
    headers: Readonly<Record<string, string>>,
    body: string | undefined,
  ): void {
    const response = this.#exchange?.response;
    this.#upgrade = undefined;
    if (response === undefined) return;
    for (const [name, value] of Object.entries(headers)) response.header(name, value);
    response.answerAlone(status, body);
  }

  // ---- reading -----------------------------------------------------------

  #mustWait(): boolean {
    if (this.#upgrade !== undefined || this.#held !== undefined) return true;
    const exchange = this.#exchange;
    return exchange?.isReceived === true && !exchange.response.finished;
  }

  /** Reads until nothing is left, or an answer must be waited for. */
  #run(bytes: Buffer, start: number, end: number, isBorrowed: boolean): void {
    let at = start;
    let isDry = false;
    this.#isRunning = true;
    try {
      while (this.#settle() && !isDry) {
        const event = this.#parser.read(bytes, at, end);
        at = this.#parser.position;
        isDry = event === ParseEvent.more;
        this.#handle(event, bytes);
      }
    } finally {
      this.#isRunning = false;
    }
    if (this.#isOver) {
      if (this.connection.owner !== this) this.#passOn(bytes, at, end);
      return;
    }
    if (at < end)
      this.#hold(isBorrowed ? Buffer.from(bytes.subarray(at, end)) : bytes.subarray(at));
    else if (this.#hasPeerEnded && this.#exchange === undefined) this.close();
    if (!this.#isOver) this.#arm();
  }

  #handle(event: ParseEvent, bytes: Buffer): void {
    const exchange = this.#exchange;
    if (event === ParseEvent.head) {
      this.#begin();
    } else if (event === ParseEvent.data) {
      exchange?.takeBody(bytes, this.#parser.dataStart, this.#parser.dataEnd);
    } else if (event === ParseEvent.end) {
      exchange?.complete();
    } else if (event === ParseEvent.fault) {
      const fault = this.#parser.fault ?? HTTP_FAULTS.target;
      if (exchange === undefined) this.refuse(fault);
      else exchange.cut(fault);
    }
  }

  /** Ends what is finished. @returns whether the parser may go on */
  #settle(): boolean {
    if (this.#isOver || this.#upgrade !== undefined) return false;
    const exchange = this.#exchange;
    if (exchange === undefined) return true;
    if (!exchange.response.finished) return !exchange.isReceived;
    if (exchange.isReceived) {
      this.#exchange = undefined;
      this.#deadline.endExchange();
      this.#application.forwardedGate?.ended(this.connection);
      if (exchange.mustClose) this.close();
    } else if (exchange.hasBody && !exchange.body.hasReader) {
      exchange.body.discard();
      const isTooMuch = exchange.body.discardedBytes > DISCARDED_BYTES_MAX;
      if (exchange.mustClose || isTooMuch) this.close();
    }
    return !this.#isOver;
  }

  #begin(): void {
    const { head } = this.#parser;
    if (head === undefined) return;
    const exchange = new HttpExchange(this, this.#application, head);
    this.#exchange = exchange;
    const refusal = this.#application.forwardedGate?.judge(this.connection, exchange.request);
    if (refusal !== undefined) {
      this.upgradeRefused(refusal.status, refusal.headers, refusal.body);
      return;
    }
    try {
      if (head.wantsWebSocket && this.#offerUpgrade(exchange)) return;
      exchange.dispatch();
    } catch (error) {
      this.#upgrade?.dismiss();
      this.#upgrade = undefined;
      exchange.fail(error);
    }
  }

  // ---- upgrade -----------------------------------------------------------

  #offerUpgrade(exchange: HttpExchange): boolean {
    const upgrade = new PendingUpgrade(this, exchange.head, exchange.request);
    this.#upgrade = upgrade;
    if (this.#application.upgrade(upgrade)) return true;
    upgrade.dismiss();
    this.#upgrade = undefined;
    return false;
  }

  #expireUpgrade(): void {
    this.#upgrade?.expire();
    this.upgradeRefused(503, {}, 'The decision took too long.\n');
  }

  /** After a later accept: the kept bytes first, then whatever comes. */
  #handOver(): void {
    const held = this.#held;
    this.#held = undefined;
    const { connection } = this;
    if (held !== undefined && connection.isOpen) this.#passOn(held, 0, held.length);
    if (this.#isPaused) connection.resume();
    if (this.#hasPeerEnded && connection.isOpen) connection.owner.onEnd(connection);
  }

  #passOn(bytes: Buffer, start: number, end: number): void {
    if (start === end) return;
    const { owner } = this.connection;
    try {
      owner.onData(this.connection, bytes, start, end);
    } catch (error) {
      owner.onFailure(this.connection, error);
    }
  }

  // ---- holding, time, the end --------------------------------------------

  #hold(bytes: Buffer): void {
    this.#held = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]);
    if (this.#held.length > HELD_BYTES_MAX) this.reset();
    else this.#updateReading();
  }

  #updateReading(): void {
    const isHeldFull = this.#held !== undefined && this.#held.length >= HELD_BYTES_READ;
    const mustPause = this.#isBodyPaused || isHeldFull || this.#upgrade !== undefined;
    if (mustPause === this.#isPaused) return;
    this.#isPaused = mustPause;
    if (mustPause) this.connection.pause();
    else this.connection.resume();
  }

  #arm(): void {
    if (this.#isOver) return;
    const exchange = this.#exchange;
    if (this.#upgrade !== undefined) {
      this.#deadline.arm('handshake', 0);
      this.#updateReading();
    } else if (exchange === undefined) {
      this.#deadline.arm(this.#parser.isIdle ? 'idle' : 'head', 0);
    } else if (!exchange.isReceived && !this.#isBodyPaused) {
      this.#deadline.arm('body', exchange.body.receivedBytes);
    } else {
      this.#deadline.arm(this.connection.pendingBytes > 0 ? 'stalled' : 'off', 0);
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#held = undefined;
    this.#deadline.off();
  }
}
