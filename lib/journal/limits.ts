// The journal's bounds. Each has a test at the bound; what happens there is said beside it.

export interface JournalLimits {
  /** Characters of one record's data; longer is ERR_ARG_RANGE. */
  readonly dataCharsMax: number;
  /**
   * Records and characters that wait for a commit; beyond either, appends reject
   * ERR_JOURNAL_UNAVAILABLE.
   */
  readonly pendingRecordsMax: number;
  readonly pendingCharsMax: number;
  /** Records and characters of one row of the log; a larger commit takes several rows. */
  readonly rowRecordsMax: number;
  readonly rowCharsMax: number;
  /** Records that the views may be behind; beyond it appends reject ERR_JOURNAL_UNAVAILABLE. */
  readonly foldLagRecordsMax: number;
  /** From here on the lag is reported to the log, once per climb. */
  readonly foldLagRecordsWarn: number;
  /**
   * Conversation heads held in memory; those newer than the views are held beyond it (bounded by
   * the lag).
   */
  readonly headsMax: number;
  /** Characters of the newest rows held in memory for readers. */
  readonly recentCharsMax: number;
  /** Records handed to a tail at once while it catches up. */
  readonly tailPageMax: number;
  /**
   * Records looked at by one history call; beyond it the page is returned as it is, not complete.
   */
  readonly historyStepsMax: number;
  /** First and longest pause before a broken connection is opened again. */
  readonly reopenDelayMs: number;
  readonly reopenDelayMaxMs: number;
  /** How often a disk that takes no records is tried while nobody appends. */
  readonly probeDelayMs: number;
  /** How long a checkpoint of the views may take before it counts as failed. */
  readonly checkpointTimeoutMs: number;
}

export const JOURNAL_LIMITS: JournalLimits = {
  dataCharsMax: 256 << 10,
  pendingRecordsMax: 50_000,
  pendingCharsMax: 64 << 20,
  rowRecordsMax: 256,
  rowCharsMax: 256 << 10,
  foldLagRecordsMax: 200_000,
  foldLagRecordsWarn: 50_000,
  headsMax: 50_000,
  recentCharsMax: 8 << 20,
  tailPageMax: 512,
  historyStepsMax: 2_000,
  reopenDelayMs: 100,
  reopenDelayMaxMs: 5_000,
  probeDelayMs: 1_000,
  checkpointTimeoutMs: 60_000,
};
