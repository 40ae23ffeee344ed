// What every reader of an event is given, and what it hands back; webhook.ts joins the two.

import type { JsonObject } from './fields.ts';

/** Where an event stands: the asset it came to, the person it is about, and when. */
export interface EventSource {
  readonly asset: string;
  /** The side that is not the asset. */
  readonly user: string | undefined;
  /** The event's own time, else the delivery's. */
  readonly at: number;
  /**
   * The event's own time for keys; 0 when it has none, since the delivery's changes from try to
   * try.
   */
  readonly stamp: number;
  /** The asset's side did it (its own reaction, an echo). */
  readonly byAsset: boolean;
  /** Plugin users have no id but a reference. */
  readonly userRef: string | undefined;
  /** The whole event, for siblings that ride along. */
  readonly event: JsonObject;
}

/** A typed event without its surroundings. */
export interface EventDraft {
  readonly kind: string;
  readonly data: JsonObject;
  readonly key: string | undefined;
  readonly opensWindow: boolean;
}

/** Reads the member that names the event; undefined when what must be there is not. */
export type EventReader = (value: JsonObject, source: EventSource) => EventDraft | undefined;

export function draft(
  kind: string,
  data: JsonObject,
  key: string | undefined,
  opensWindow = false,
): EventDraft {
  return { kind, data, key, opensWindow };
}
