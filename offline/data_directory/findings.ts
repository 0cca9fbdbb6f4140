/**
 * The result of checking a data directory.
 */

export interface Findings {
  /** Files read, or parts of snapshots. */
  files: number;
  /** Damage and missing parts; a sentence each, which names the file. */
  readonly problems: string[];
  /** Observations that cost nothing. */
  readonly notes: string[];
}
