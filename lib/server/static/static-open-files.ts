// The descriptors of large files: one per version of a file, shared by all who send it, and kept open for
// a moment after the last of them. Knows no names' safety and no HTTP.
//
//   add, take --> in use --last release--> idle --take--> in use
//                    |                       '-- time, or room needed --> closed
//                    '-- drop: closed with the last release

import { fstatSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/** Descriptors of large files that are being sent or idle, and of files being read. */
export const OPEN_FILES_MAX = 512;
/** Descriptors that nobody uses at the moment. */
export const IDLE_FILES_MAX = 64;
/** How long one stays open without a user: a deleted file keeps its place on the disk meanwhile. */
export const IDLE_FILE_MS = 5000;

/** What tells one version of a file from another. */
export interface FileVersion {
  readonly size: number;
  readonly modifiedMs: number;
  readonly inode: number;
  readonly device: number;
}

export interface StoredFile {
  readonly version: FileVersion;
  /** Strong: size, time of change and inode. */
  readonly etag: string;
  /** The whole file; undefined for a large one. */
  readonly bytes: Buffer | undefined;
}

/** A large file: who gets it gives it back. */
export interface OpenedFile extends StoredFile {
  readonly handle: FileHandle;
}

class Entry implements OpenedFile {
  readonly name: string;
  readonly version: FileVersion;
  readonly etag: string;
  readonly bytes = undefined;
  readonly handle: FileHandle;
  users = 1;
  checkedAt: number;
  /** Its name still stands for it. */
  isCurrent = true;
  idleTimer: NodeJS.Timeout | undefined;

  constructor(name: string, handle: FileHandle, version: FileVersion, etag: string, now: number) {
    this.name = name;
    this.handle = handle;
    this.version = version;
    this.etag = etag;
    this.checkedAt = now;
  }
}

export class OpenFiles {
  readonly #current = new Map<string, Entry>();
  /** In the order in which they became idle. */
  readonly #idle = new Set<Entry>();
  readonly #failed: (error: unknown) => void;
  #count = 0;

  /** @param failed is told when a descriptor could not be closed */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /** Descriptors that are open, or being opened. */
  get count(): number {
    return this.#count;
  }

  get idleCount(): number {
    return this.#idle.size;
  }

  /** @returns false when too many are in use; otherwise add() or cancel() must follow */
  reserve(): boolean {
    if (this.#count >= OPEN_FILES_MAX && !this.#closeOldestIdle()) return false;
    this.#count++;
    return true;
  }

  /** What was reserved was closed by its opener. */
  cancel(): void {
    this.#count--;
  }

  add(
    name: string,
    handle: FileHandle,
    version: FileVersion,
    etag: string,
    now: number,
  ): OpenedFile {
    this.drop(name);
    const entry = new Entry(name, handle, version, etag, now);
    this.#current.set(name, entry);
    return entry;
  }

  /** The file of that name if it was looked at since `fresh` and is what it was then. */
  takeFresh(name: string, fresh: number): OpenedFile | undefined {
    const entry = this.#current.get(name);
    if (entry === undefined || entry.checkedAt <= fresh) return undefined;
    if (!isSameVersion(entry.version, versionOf(fstatSync(entry.handle.fd)))) return undefined;
    return this.#use(entry);
  }

  /** The file of that name if it is this version, as stat(2) has just said. */
  takeSame(name: string, version: FileVersion, now: number): OpenedFile | undefined {
    const entry = this.#current.get(name);
    if (entry === undefined || !isSameVersion(entry.version, version)) return undefined;
    entry.checkedAt = now;
    return this.#use(entry);
  }

  /** The name stands for something else, or nothing, now. */
  drop(name: string): void {
    const entry = this.#current.get(name);
    if (entry === undefined) return;
    this.#current.delete(name);
    entry.isCurrent = false;
    if (entry.users === 0) this.#close(entry);
  }

  release(file: OpenedFile): void {
    if (!(file instanceof Entry) || --file.users > 0) return;
    if (!file.isCurrent) {
      this.#close(file);
      return;
    }
    this.#idle.add(file);
    file.idleTimer = setTimeout(() => this.drop(file.name), IDLE_FILE_MS);
    file.idleTimer.unref();
    if (this.#idle.size > IDLE_FILES_MAX) this.#closeOldestIdle();
  }

  #use(entry: Entry): OpenedFile {
    entry.users++;
    this.#idle.delete(entry);
    clearTimeout(entry.idleTimer);
    return entry;
  }

  #closeOldestIdle(): boolean {
    for (const entry of this.#idle) {
      this.drop(entry.name);
      return true;
    }
    return false;
  }

  #close(entry: Entry): void {
    this.#idle.delete(entry);
    clearTimeout(entry.idleTimer);
    this.#count--;
    entry.handle.close().catch(this.#failed);
  }
}

export function versionOf(stats: {
  readonly size: number;
  readonly mtimeMs: number;
  readonly ino: number;
  readonly dev: number;
}): FileVersion {
  return { size: stats.size, modifiedMs: stats.mtimeMs, inode: stats.ino, device: stats.dev };
}

export function isSameVersion(a: FileVersion, b: FileVersion): boolean {
  const isSameFile = a.inode === b.inode && a.device === b.device;
  return isSameFile && a.size === b.size && a.modifiedMs === b.modifiedMs;
}

export function isOpened(file: StoredFile): file is OpenedFile {
  return file.bytes === undefined;
}
