// Who may talk to the simulator: only this machine. A page of another site could otherwise reach it
// through the browser, by a name of its own that points to loopback.

import { isLoopbackHost } from '../base/ip-address.ts';

/** Value of a Host field: name and port. */
export function isLoopbackAuthority(value: string | undefined): boolean {
  if (value === undefined) return false;
  return isLoopbackHost(value.replace(/:\d{1,5}$/, ''));
}

/** No Origin: not a browser. Else the page must come from this machine. */
export function isLoopbackOrigin(value: string | undefined): boolean {
  if (value === undefined) return true;
  return URL.canParse(value) && isLoopbackHost(new URL(value).hostname);
}
