// Dates as HTTP writes and reads them (RFC 9110 5.6.7): one form goes out, three come in.

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const TIME = '(\\d{2}):(\\d{2}):(\\d{2})';
const IMF_FIXDATE = new RegExp(`^${DAY}, (\\d{2}) (\\w{3}) (\\d{4}) ${TIME} GMT$`);
const RFC_850 = new RegExp(`^[MTWFS][a-z]{5,8}, (\\d{2})-(\\w{3})-(\\d{2}) ${TIME} GMT$`);
const ASCTIME = new RegExp(`^${DAY} (\\w{3}) ([ \\d]\\d) ${TIME} (\\d{4})$`);
/** A year of two digits that would lie further ahead than this belongs to the century before. */
const YEARS_AHEAD_MAX = 50;

/** @param ms since the epoch @returns an IMF-fixdate; parts of a second are cut off */
export function formatHttpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

/** @returns milliseconds since the epoch; undefined for what is no HTTP-date */
export function parseHttpDate(text: string, now: number): number | undefined {
  const fix = IMF_FIXDATE.exec(text);
  if (fix !== null) return msOf(fix[3], fix[2], fix[1], fix.slice(4, 7));
  const old = RFC_850.exec(text);
  if (old !== null) return msOf(centuryOf(old[3], now), old[2], old[1], old.slice(4, 7));
  const asc = ASCTIME.exec(text);
  if (asc !== null) return msOf(asc[6], asc[1], asc[2], asc.slice(3, 6));
  return undefined;
}

function centuryOf(twoDigits: string | undefined, now: number): string {
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + Number(twoDigits);
  return String(year > thisYear + YEARS_AHEAD_MAX ? year - 100 : year);
}

function msOf(
  year: string | undefined,
  monthName: string | undefined,
  day: string | undefined,
  time: readonly string[],
): number | undefined {
  const month = MONTHS.indexOf(monthName ?? '');
  const [hour = 0, minute = 0, second = 0] = time.map(Number);
  if (month === -1 || hour > 23 || minute > 59 || second > 60) return undefined;
  const date = Number(day);
  const ms = Date.UTC(Number(year), month, date, hour, minute, second);
  // The 31st of a month of 30 days would roll over.
  return new Date(Date.UTC(Number(year), month, date)).getUTCDate() === date ? ms : undefined;
}
