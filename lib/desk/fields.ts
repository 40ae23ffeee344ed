// Reads single fields of a record's parsed data without trusting their types: a record that an older or
// newer version wrote, or that a customer shaped, is folded as far as it makes sense and never throws.

export type Data = Readonly<Record<string, unknown>>;

export const NO_DATA: Data = Object.freeze({});

/** The text under `key`; undefined when it is no string. */
export function textAt(data: Data, key: string): string | undefined {
  const value = data[key];
  return typeof value === 'string' ? value : undefined;
}

/** The finite number under `key`; undefined when it is none. */
export function numberAt(data: Data, key: string): number | undefined {
  const value = data[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** The object under `key`; undefined when it is none (null and arrays are not). */
export function objectAt(data: Data, key: string): Data | undefined {
  const value = data[key];
  return isObject(value) ? value : undefined;
}

/** The strings of the list under `key`; undefined when there is no list. */
export function textsAt(data: Data, key: string): readonly string[] | undefined {
  const value = data[key];
  if (!Array.isArray(value)) return undefined;
  return value.filter((member): member is string => typeof member === 'string');
}

/** True for a plain object. */
export function isObject(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** At most `max` UTF-16 units of `text`, never half of a surrogate pair. */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  const code = text.charCodeAt(max - 1);
  return text.slice(0, code >= 0xd800 && code <= 0xdbff ? max - 1 : max);
}
