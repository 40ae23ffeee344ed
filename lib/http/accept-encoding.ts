// Which stored coding of a file a client takes (RFC 9110 12.5.3).

/** Codings of one field that are looked at. */
const CODINGS_MAX = 32;
const ENTRY =
  /^[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?[ \t]*$/;

/**
 * @param field   the Accept-Encoding field; undefined when there is none
 * @param offered codings that there are beside the plain one, the best first
 * @returns the accepted ones, by the client's weight, then in the order of `offered`; those that the
 *   client likes less than the plain form are left out
 */
export function acceptedCodings<Coding extends string>(
  field: string | undefined,
  offered: readonly Coding[],
): readonly Coding[] {
  if (field === undefined || field === '') return [];
  const weights = new Map<string, number>();
  for (const entry of field.split(',', CODINGS_MAX)) {
    const match = ENTRY.exec(entry);
    if (match !== null) weights.set((match[1] ?? '').toLowerCase(), Number(match[2] ?? 1));
  }
  const others = weights.get('*') ?? 0;
  const plain = weights.get('identity') ?? 0;
  const weightOf = (coding: string): number => weights.get(coding) ?? others;
  return offered
    .filter((coding) => weightOf(coding) > 0 && weightOf(coding) >= plain)
    .sort((a, b) => weightOf(b) - weightOf(a));
}
