/**
 * The past of a server: the notes of its runs. Two pasts may part: a replica that was promoted goes
 * on, and so may the primary that it has left.
 */

/** The start of a run. */
export interface RunNote {
  readonly name: string;
  /** JSON: the end of each store when the run began. */
  readonly ends: string;
}

/** A run of the server, as a process has entered it. */
export interface ServerRun {
  /**
   * The server's replication id, `master_replid`, a space, and the name of the note of the ends at
   * its start: a run whose note was lost is entered anew.
   */
  readonly id: string;
  /** The retained notes of the server, oldest first, that of the run itself last. */
  readonly past: readonly RunNote[];
}

/**
 * The end of each store up to which the server has, in its present run, the records that it had in
 * an earlier one; Infinity where it has them all.
 *
 * The pasts of both runs part behind the last note that is in both. A run behind it began with the
 * records before its ends and has, of the other past, none behind them. Pasts without a common note
 * part before their oldest ones: a process that was cut off for longer than the notes are retained
 * takes more for lost than is. Where the earlier run's own
 * note is missing, the server never followed the one that had that run: it is an older primary, or
 * has lost the note with all that was written after it. A run whose note does not name a store
 * began without it, so the store's end was 0.
 *
 * @param before The run in which the process knew its records.
 * @param present The run that it has entered now.
 * @param stores Stores that existed in `before`: `records`, `profiles`, or a log's name and
 *   partition, `events/0`.
 */
export function sharedEnds(
  before: ServerRun,
  present: ServerRun,
  stores: readonly string[],
): number[] {
  const shared = stores.map(() => Infinity);
  for (const note of [...notesApart(before, present), ...notesApart(present, before)]) {
    const ends = JSON.parse(note.ends) as Record<string, number>;
    stores.forEach((store, at) => shared[at] = Math.min(shared[at], ends[store] ?? 0));
  }
  return shared;
}

/** The notes of a run behind the last one that the other run has too. */
function notesApart({ past }: ServerRun, other: ServerRun): readonly RunNote[] {
  const names = new Set(other.past.map(({ name }) => name));
  return past.slice(past.findLastIndex(({ name }) => names.has(name)) + 1);
}
