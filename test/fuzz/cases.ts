// How many cases each fuzz test runs when nobody says otherwise. SLUICE_FUZZ_CASES sets all of them.

/** CI must run at least this many in one run of the project. */
export const FUZZ_CASES_MIN = 700_000;

export const FUZZ_CASES = {
  http: 500_000,
  websocket: 100_000,
  messenger: 60_000,
  agentProtocol: 60_000,
  deflate: 20_000,
} as const;

/** The cases of one test: the default, or what SLUICE_FUZZ_CASES says. */
export function fuzzCases(test: keyof typeof FUZZ_CASES): number {
  return Number(process.env['SLUICE_FUZZ_CASES'] ?? FUZZ_CASES[test]);
}
