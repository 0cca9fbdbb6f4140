/**
 * Times of the logs on Redis: how long a process waits when it appends or reads, and how long the
 * server retains ids. The simulated log keeps to the same times.
 */
export const logBudgets = {
  /** Time within which a command that failed is sent again, ms. */
  commandMs: 5_000,
  /** The same for an append that need not be durable, ms: a ranking waits for it. */
  writtenMs: 200,
  /**
   * Age at which records that need not be durable are made sure of, ms; far below the time for
   * which a server knows their writer.
   */
  unconfirmedMsMax: 5_000,
  /** Time without a connection after which appends are refused at once, ms. */
  awayAfterMs: 1_000,
  /**
   * Time after which listeners are told of records that need not be durable, ms. A joiner has no
   * use for rankings before an event, which ends this time, so each look for rankings alone is a
   * turn too many.
   */
  lazyMs: 500,
  /** The same where a listener asks to be told soon, ms. */
  soonMs: 100,
  /** Pause before a command is sent again, ms. */
  retryMs: 20,
  /** Time for which ids of records that are appended once are retained, ms. */
  idsRetainedMs: 3_600_000,
} as const;
