// An upgrade between its request and its decision. The connection does the work; this object makes sure
// that it is decided once.

import type { RequestHead } from '../../http/request-head.ts';
import type { Connection, ConnectionOwner } from '../../net/types.ts';
import type { ServerRequest } from '../types.ts';
import type { UpgradeExchange } from './http-upgrade.ts';

/** What the connection does when the decision comes. */
export interface UpgradeHost {
  readonly connection: Connection;
  upgradeAccepted(headText: string, owner: ConnectionOwner): void;
  upgradeRefused(
    status: number,
    headers: Readonly<Record<string, string>>,
    body: string | undefined,
  ): void;
}

export class PendingUpgrade implements UpgradeExchange {
  readonly request: ServerRequest;
  readonly fields: readonly string[];
  readonly minorVersion: number;
  readonly hasBody: boolean;
  readonly #host: UpgradeHost;
  #isPending = true;
  #gone: (() => void) | undefined;

  constructor(host: UpgradeHost, head: RequestHead, request: ServerRequest) {
    this.#host = host;
    this.request = request;
    this.fields = head.fields;
    this.minorVersion = head.minorVersion;
    this.hasBody = head.contentLength !== 0;
  }

  get connection(): Connection {
    return this.#host.connection;
  }

  get isPending(): boolean {
    return this.#isPending;
  }

  accept(headText: string, owner: ConnectionOwner): boolean {
    if (!this.#isPending) return false;
    this.#isPending = false;
    this.#host.upgradeAccepted(headText, owner);
    return true;
  }

  refuse(status: number, headers: Readonly<Record<string, string>> = {}, body?: string): void {
    if (!this.#isPending) return;
    this.#isPending = false;
    this.#host.upgradeRefused(status, headers, body);
  }

  onGone(callback: () => void): void {
    this.#gone = callback;
  }

  /** It is not an upgrade after all: plain HTTP answers the request. */
  dismiss(): void {
    this.#isPending = false;
  }

  /** The client, or its time, is gone. */
  expire(): void {
    if (!this.#isPending) return;
    this.#isPending = false;
    this.#gone?.();
  }
}
