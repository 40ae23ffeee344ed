// The readiness API itself: callbacks for any descriptor that epoll takes, on an epoll instance of its
// own inside Node's loop. Events are named by tokens that never repeat, so that what was removed, or
// closed and opened again under the same number, is never called for somebody else's event.

import { SluiceError } from '../base/errors.ts';
import type { NativePoller } from '../native/binding.ts';
import { ERROR_NAMES, errorName } from '../native/error-names.ts';
import { EVENTS_PER_WAIT_MAX } from '../native/layout.ts';
import { loadNative } from '../native/load.ts';

/** epoll_ctl(2). They are bits: several are joined by `|`. */
export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
/** These two always come, asked for or not. */
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE = 0x10000000;
export const EPOLLONESHOT = 0x40000000;
export const EPOLLET = 0x80000000;

const DESCRIPTOR_MAX = 0x7fffffff;
const EVENTS_MAX = 0xffffffff;
const TOKEN_MAX = 0x7fffffff;

const DESCRIPTOR_FAULTS: Readonly<Record<number, string>> = {
  [ERROR_NAMES.EBADF]: 'is not open',
  [ERROR_NAMES.EPERM]: 'cannot be polled: a file or a directory is always ready',
  [ERROR_NAMES.EEXIST]: 'is in the poller already',
  [ERROR_NAMES.ENOENT]: 'is not in the poller',
};

/** @param events the bits that are set */
export type PollerCallback = (events: number) => void;

interface Watched {
  readonly fd: number;
  readonly token: number;
  readonly callback: PollerCallback;
}

/**
 * Watches descriptors that it does not own: nothing is read, and nobody closes them here. Level-
 * triggered unless EPOLLET is asked for. Keeps the process alive while it has descriptors.
 * @throws SluiceError ERR_NATIVE_MISSING without the addon
 */
export class Poller {
  readonly #native: NativePoller;
  readonly #records = new Int32Array(2 * EVENTS_PER_WAIT_MAX);
  readonly #byDescriptor = new Map<number, Watched>();
  readonly #byToken = new Map<number, Watched>();
  #nextToken = 1;
  #isClosed = false;
  #isUnreferenced = false;

  constructor() {
    const { NativePoller } = loadNative();
    const handler = { dispatch: (count: number) => this.#dispatch(count) };
    this.#native = new NativePoller(this.#records, handler);
  }

  /** How many descriptors are watched. */
  get size(): number {
    return this.#byDescriptor.size;
  }

  /**
   * Calls back when `fd` is ready, until remove() or close().
   * @param fd to be removed before it is closed: as long as a duplicate of it is open anywhere, epoll
   * goes on telling of it (epoll(7), question 6)
   * @param events of the constants here; EPOLLERR and EPOLLHUP are always told
   * @param callback what it throws is raised as uncaught in a turn of its own; the others get theirs
   * @throws SluiceError ERR_DESCRIPTOR (not open, a file, added already), ERR_ARG_RANGE, ERR_CLOSED,
   * ERR_SYSTEM for the rest of epoll_ctl(2)
   */
  add(fd: number, events: number, callback: PollerCallback): void {
    this.#check(fd, events);
    if (typeof callback !== 'function') {
      throw new SluiceError('ERR_ARG_TYPE', 'callback must be a function.');
    }
    const watched = { fd, token: this.#takeToken(), callback };
    this.#require(this.#native.add(fd, events, watched.token), fd);
    // The kernel has forgotten a descriptor of that number that was closed without remove().
    this.#forget(this.#byDescriptor.get(fd));
    this.#byDescriptor.set(fd, watched);
    this.#byToken.set(watched.token, watched);
    this.#keepAlive();
  }

  /**
   * Asks for other events, and arms a descriptor again after EPOLLONESHOT.
   * @throws SluiceError as add(); ERR_DESCRIPTOR when it is not watched; ERR_SYSTEM (EINVAL) for one
   * that was added with EPOLLEXCLUSIVE
   */
  modify(fd: number, events: number): void {
    this.#check(fd, events);
    const watched = this.#byDescriptor.get(fd);
    if (watched === undefined) this.#require(ERROR_NAMES.ENOENT, fd);
    else this.#require(this.#native.modify(fd, events, watched.token), fd);
  }

  /** Nothing more is told of `fd`, also of what is ready already. @returns false when not watched */
  remove(fd: number): boolean {
    const watched = this.#byDescriptor.get(fd);
    if (watched === undefined || this.#isClosed) return false;
    this.#forget(watched);
    this.#native.remove(fd);
    this.#keepAlive();
    return true;
  }

  /** Removes everything. The descriptors stay open: they are their owners'. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#byDescriptor.clear();
    this.#byToken.clear();
    this.#native.close();
  }

  /** Lets the process end although descriptors are watched. */
  unref(): this {
    this.#isUnreferenced = true;
    this.#keepAlive();
    return this;
  }

  /** Undoes unref(). */
  ref(): this {
    this.#isUnreferenced = false;
    this.#keepAlive();
    return this;
  }

  #dispatch(count: number): void {
    const records = this.#records;
    for (let i = 0; i < count; i++) {
      // Looked up one by one: a callback may have removed the next one.
      const watched = this.#byToken.get(records[2 * i] as number);
      if (watched === undefined) continue;
      try {
        watched.callback((records[2 * i + 1] as number) >>> 0);
      } catch (error) {
        setImmediate(() => {
          throw error;
        });
      }
    }
  }

  #forget(watched: Watched | undefined): void {
    if (watched === undefined) return;
    this.#byDescriptor.delete(watched.fd);
    this.#byToken.delete(watched.token);
  }

  #takeToken(): number {
    const token = this.#nextToken;
    // After 2^31 of them those that still live must be stepped over.
    do this.#nextToken = this.#nextToken === TOKEN_MAX ? 1 : this.#nextToken + 1;
    while (this.#byToken.has(this.#nextToken));
    return token;
  }

  #keepAlive(): void {
    if (!this.#isClosed) this.#native.keepAlive(this.size > 0 && !this.#isUnreferenced);
  }

  #check(fd: number, events: number): void {
    if (this.#isClosed) throw new SluiceError('ERR_CLOSED', 'The poller is closed.');
    if (!Number.isInteger(fd) || fd < 0 || fd > DESCRIPTOR_MAX) {
      throw new SluiceError('ERR_ARG_RANGE', 'fd must be a descriptor.');
    }
    // `|` makes a negative number of EPOLLET.
    if (!Number.isInteger(events) || events < -0x80000000 || events > EVENTS_MAX) {
      throw new SluiceError('ERR_ARG_RANGE', 'events must be bits of 32.');
    }
  }

  #require(result: number, fd: number): void {
    if (result >= 0) return;
    const details = { errno: result, syscall: 'epoll_ctl' };
    const fault = DESCRIPTOR_FAULTS[result];
    if (fault === undefined) {
      throw new SluiceError('ERR_SYSTEM', `epoll_ctl ${errorName(result)} ${fd}`, details);
    }
    throw new SluiceError('ERR_DESCRIPTOR', `Descriptor ${fd} ${fault}.`, details);
  }
}
