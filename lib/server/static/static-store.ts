// The files below one folder: looks them up, opens them safely, keeps small ones in memory. What it finds
// is a regular file inside the root, and its descriptor is the file that was looked at. Knows no HTTP.

import { constants } from 'node:fs';
import { type FileHandle, open, readlink, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type FileVersion,
  isSameVersion,
  type OpenedFile,
  OpenFiles,
  type StoredFile,
  versionOf,
} from './static-open-files.ts';

/** Larger files are never kept in memory. */
export const KEPT_FILE_BYTES_MAX = 64 * 1024;
/** All kept files together; the one that was looked up longest ago goes. */
export const KEPT_BYTES_MAX = 16 * 1024 * 1024;
/** Names that are remembered, those included that were not there. */
export const KEPT_NAMES_MAX = 2048;

/** A FIFO would block, a terminal would become ours. Node adds O_CLOEXEC. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
/** What open(2) and stat(2) say of a name that cannot be served. */
const MISSING_CODES = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'EACCES', 'EPERM', 'ENXIO'];

export type Lookup = StoredFile | OpenedFile | 'missing' | 'folder' | 'busy';

interface Kept {
  readonly file: StoredFile | 'missing';
  checkedAt: number;
}

export interface StaticStoreOptions {
  /** An absolute path without symbolic links. */
  readonly root: string;
  /** How long what was found is believed without another stat(2). */
  readonly freshMs: number;
  /** Symbolic links may lead out of the root. */
  readonly leavesRoot: boolean;
  readonly clock: { now(): number };
  /** A descriptor could not be closed. */
  readonly failed: (error: unknown) => void;
}

export class StaticStore {
  readonly #options: StaticStoreOptions;
  /** In the order in which they were looked up. */
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;
  /** Large files, open. */
  readonly large: OpenFiles;

  constructor(options: StaticStoreOptions) {
    this.#options = options;
    this.large = new OpenFiles(options.failed);
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  get keptNames(): number {
    return this.#kept.size;
  }

  /**
   * What is known of a name without looking for it; undefined when that is needed. A large file must be
   * given back.
   */
  peek(name: string): StoredFile | 'missing' | undefined {
    const fresh = this.#options.clock.now() - this.#options.freshMs;
    const kept = this.#kept.get(name);
    if (kept === undefined) return this.large.takeFresh(name, fresh);
    return kept.checkedAt > fresh ? kept.file : undefined;
  }

  /**
   * Asks the file system, unless what it said is fresh.
   * @param keepsMissing remember that it is not there: for names that no client can choose freely
   * @throws what the file system reports beside a missing name (EIO)
   */
  async find(name: string, keepsMissing: boolean): Promise<Lookup> {
    const known = this.peek(name);
    if (known !== undefined) return known;
    const path = join(this.#options.root, name);
    const stats = await orMissing(stat(path));
    if (stats === undefined) return this.#missing(name, keepsMissing);
    if (stats.isDirectory()) return 'folder';
    // Opening a device may do something.
    if (!stats.isFile()) return this.#missing(name, keepsMissing);
    const version = versionOf(stats);
    const kept = this.#kept.get(name)?.file;
    if (kept !== undefined && kept !== 'missing' && isSameVersion(kept.version, version)) {
      this.#keep(name, kept);
      return kept;
    }
    const opened = this.large.takeSame(name, version, this.#options.clock.now());
    if (opened !== undefined) return opened;
    this.#forget(name);
    if (!this.large.reserve()) return 'busy';
    return this.#open(name, path, keepsMissing);
  }

  /** Gives a large file back. */
  release(file: OpenedFile): void {
    this.large.release(file);
  }

  async #open(name: string, path: string, keepsMissing: boolean): Promise<Lookup> {
    let handle: FileHandle | undefined;
    let isHandedOut = false;
    try {
      handle = await orMissing(open(path, OPEN_FLAGS));
      if (handle === undefined) return this.#missing(name, keepsMissing);
      const stats = await handle.stat();
      if (!stats.isFile() || !(await this.#isInside(handle, path))) {
        return this.#missing(name, keepsMissing);
      }
      const version = versionOf(stats);
      const etag = etagOf(version);
      if (version.size > KEPT_FILE_BYTES_MAX) {
        isHandedOut = true;
        return this.large.add(name, handle, version, etag, this.#options.clock.now());
      }
      const bytes = await handle.readFile();
      // It grew or shrank meanwhile: the next request sees the new one whole.
      if (bytes.length !== version.size) return 'busy';
      const file: StoredFile = { version, etag, bytes };
      this.#keep(name, file);
      return file;
    } finally {
      if (!isHandedOut) {
        this.large.cancel();
        await handle?.close();
      }
    }
  }

  /** Asked of the descriptor: a name could lead elsewhere a moment later. */
  async #isInside(handle: FileHandle, path: string): Promise<boolean> {
    const { root, leavesRoot } = this.#options;
    if (leavesRoot) return true;
    const link = await orMissing(readlink(`/proc/self/fd/${handle.fd}`));
    // Without /proc there is only the name.
    const real = link ?? (await orMissing(realpath(path)));
    return real?.startsWith(root === '/' ? root : `${root}/`) === true;
  }

  #missing(name: string, keepsMissing: boolean): 'missing' {
    if (keepsMissing) this.#keep(name, 'missing');
    else this.#forget(name);
    return 'missing';
  }

  #keep(name: string, file: StoredFile | 'missing'): void {
    this.#forget(name);
    this.#kept.set(name, { file, checkedAt: this.#options.clock.now() });
    this.#keptBytes += bytesOf(file);
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes <= KEPT_BYTES_MAX && this.#kept.size <= KEPT_NAMES_MAX) break;
      this.#forget(oldest);
    }
  }

  #forget(name: string): void {
    this.large.drop(name);
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    this.#kept.delete(name);
    this.#keptBytes -= bytesOf(kept.file);
  }
}

function bytesOf(file: StoredFile | 'missing'): number {
  return file === 'missing' ? 0 : (file.bytes?.length ?? 0);
}

function etagOf({ size, modifiedMs, inode }: FileVersion): string {
  const time = Math.round(modifiedMs * 1000).toString(36);
  return `"${size.toString(36)}-${time}-${inode.toString(36)}"`;
}

async function orMissing<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if (MISSING_CODES.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
