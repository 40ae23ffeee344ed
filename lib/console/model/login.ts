// The token of the login link: taken from the fragment, which leaves the address bar at once, and kept for
// the life of the tab. It is never written anywhere else.

const STORAGE_KEY = 'sluice.token';
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** The token from the address or from before a reload; undefined when there is none. */
export function takeToken(): string | undefined {
  const fromLink = tokenOf(location.hash);
  if (location.hash !== '') {
    history.replaceState(null, '', location.pathname + location.search);
  }
  if (fromLink !== undefined) keepToken(fromLink);
  return fromLink ?? sessionStorage.getItem(STORAGE_KEY) ?? undefined;
}

/** The token in a link, a fragment or a pasted text. */
export function tokenOf(text: string): string | undefined {
  const match = /(?:^|[#&])token=([^&\s]+)/.exec(text);
  const candidate = match?.[1] ?? text.trim();
  return TOKEN.test(candidate) ? candidate : undefined;
}

export function keepToken(token: string): void {
  sessionStorage.setItem(STORAGE_KEY, token);
}

export function dropToken(): void {
  sessionStorage.removeItem(STORAGE_KEY);
}

/** Whose token it is, without any check: only to keep two people's unsent texts apart. */
export function subjectOf(token: string): string {
  try {
    const payload = token.split('.')[1] ?? '';
    const json = atob(payload.replaceAll('-', '+').replaceAll('_', '/'));
    return String((JSON.parse(json) as { sub?: unknown }).sub ?? '');
  } catch {
    return '';
  }
}
