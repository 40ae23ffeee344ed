// The browser's half of the `ws` API: events as objects, and listeners that get them. A listener is
// wrapped into one of an EventEmitter, so that both kinds are called in the order they were added.

import type { EventEmitter } from 'node:events';
import type { WebSocket } from './websocket.ts';

/** Base of what a listener of addEventListener() gets. */
export class Event {
  readonly type: string;
  readonly target: WebSocket;

  constructor(type: string, target: WebSocket) {
    this.type = type;
    this.target = target;
  }
}

export class MessageEvent extends Event {
  /** A string for a text message, else what `binaryType` says. */
  readonly data: unknown;

  constructor(target: WebSocket, data: unknown) {
    super('message', target);
    this.data = data;
  }
}

export class CloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  /** Both sides have sent a close frame. */
  readonly wasClean: boolean;

  constructor(target: WebSocket, code: number, reason: string, wasClean: boolean) {
    super('close', target);
    this.code = code;
    this.reason = reason;
    this.wasClean = wasClean;
  }
}

export class ErrorEvent extends Event {
  readonly error: Error;
  readonly message: string;

  constructor(target: WebSocket, error: Error) {
    super('error', target);
    this.error = error;
    this.message = error.message;
  }
}

export interface EventsByType {
  readonly open: Event;
  readonly message: MessageEvent;
  readonly close: CloseEvent;
  readonly error: ErrorEvent;
}
export type EventType = keyof EventsByType;

export type EventListener<E = Event> =
  | ((this: WebSocket, event: E) => void)
  | { handleEvent(event: E): void };

type Emitted = (...values: never[]) => void;
type Emitter = EventEmitter<Record<string, never[]>>;

/** A socket's property: whether both sides have sent a close frame. */
export const kWasClean = Symbol('wasClean');

const kListener = Symbol('listener');
const kIsAttribute = Symbol('attribute');

interface Wrapper extends Emitted {
  [kListener]: unknown;
  /** Set through onmessage = … and its kind. */
  [kIsAttribute]: boolean;
}

function isWrapper(value: unknown): value is Wrapper {
  return typeof value === 'function' && kListener in value;
}

/** Wraps `listener` into one that an EventEmitter can call; undefined for an unknown type. */
function wrap(
  socket: WebSocket,
  type: string,
  listener: EventListener<never>,
): Emitted | undefined {
  const call = (event: Event): void => {
    if (typeof listener === 'function') listener.call(socket, event as never);
    else listener.handleEvent(event as never);
  };
  switch (type) {
    case 'open':
      return () => call(new Event('open', socket));
    case 'message':
      return (data: unknown, isBinary: boolean) =>
        call(new MessageEvent(socket, isBinary ? data : String(data)));
    case 'close':
      return (code: number, reason: Buffer) =>
        call(new CloseEvent(socket, code, reason.toString(), socket[kWasClean]));
    case 'error':
      return (error: Error) => call(new ErrorEvent(socket, error));
    default:
      return undefined;
  }
}

/** The same object, for events whose name is not known. */
function emitterOf(socket: WebSocket): Emitter {
  return socket as unknown as Emitter;
}

function wrappersOf(socket: WebSocket, type: string): Wrapper[] {
  return emitterOf(socket).listeners(type).filter(isWrapper);
}

/** Adds a listener once, however often it is added; unknown types are ignored. */
export function addListener(
  socket: WebSocket,
  type: string,
  listener: EventListener<never>,
  options: { readonly once?: boolean; readonly isAttribute?: boolean },
): void {
  const isAttribute = options.isAttribute === true;
  const isKnown = wrappersOf(socket, type).some(
    (wrapper) => wrapper[kListener] === listener && !wrapper[kIsAttribute],
  );
  if (isKnown && !isAttribute) return;
  const wrapper = wrap(socket, type, listener);
  if (wrapper === undefined) return;
  const marked = Object.assign(wrapper, { [kListener]: listener, [kIsAttribute]: isAttribute });
  if (options.once === true) emitterOf(socket).once(type, marked);
  else emitterOf(socket).on(type, marked);
}

export function removeListener(socket: WebSocket, type: string, listener: unknown): void {
  const found = wrappersOf(socket, type).find(
    (wrapper) => wrapper[kListener] === listener && !wrapper[kIsAttribute],
  );
  if (found !== undefined) emitterOf(socket).removeListener(type, found);
}

/** What was assigned to `on<type>`, or null. */
export function attributeOf<T extends EventType>(
  socket: WebSocket,
  type: T,
): EventListener<EventsByType[T]> | null {
  const found = wrappersOf(socket, type).find((wrapper) => wrapper[kIsAttribute]);
  return found === undefined ? null : (found[kListener] as EventListener<EventsByType[T]>);
}

/** Replaces what was assigned to `on<type>`; anything but a function only removes it. */
export function setAttribute(socket: WebSocket, type: EventType, listener: unknown): void {
  const found = wrappersOf(socket, type).find((wrapper) => wrapper[kIsAttribute]);
  if (found !== undefined) emitterOf(socket).removeListener(type, found);
  if (typeof listener !== 'function') return;
  addListener(socket, type, listener as EventListener<never>, { isAttribute: true });
}
