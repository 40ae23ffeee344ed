// Negative errno values with their names, as native/core/error_code.h has them; a test compares the
// two through the addon.

export const ERROR_NAMES = {
  EACCES: -13,
  EADDRINUSE: -98,
  EADDRNOTAVAIL: -99,
  EAFNOSUPPORT: -97,
  EAGAIN: -11,
  EBADF: -9,
  ECANCELED: -125,
  ECHILD: -10,
  ECONNABORTED: -103,
  ECONNREFUSED: -111,
  ECONNRESET: -104,
  EEXIST: -17,
  EHOSTUNREACH: -113,
  EINVAL: -22,
  EISCONN: -106,
  EMFILE: -24,
  ENETDOWN: -100,
  ENETUNREACH: -101,
  ENFILE: -23,
  ENOBUFS: -105,
  ENOENT: -2,
  ENOMEM: -12,
  ENOSPC: -28,
  ENOTCONN: -107,
  ENOTDIR: -20,
  ENOTSOCK: -88,
  EPERM: -1,
  EPIPE: -32,
  EPROTO: -71,
  EPROTOTYPE: -91,
  EROFS: -30,
  ETIMEDOUT: -110,
} as const;

/** The name of a negative errno, or `errno N` for one that is not in the table. */
export function errorName(errno: number): string {
  for (const [name, value] of Object.entries(ERROR_NAMES)) {
    if (value === errno) return name;
  }
  return `errno ${-errno}`;
}
