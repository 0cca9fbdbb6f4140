/**
 * Trims the event partitions of earlier partitionings. Each joiner of the newest one commits that
 * it needs nothing of them; the joiner that finds the commit of every other one trims them.
 */
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { numbersOf, presentPartitioning } from "../../mesh/ports/partitioning.ts";
import type { JoinerOptions } from "./options.ts";

/** Consumer whose committed offset of a partition is above 0 where its joiner has let go. */
const CONSUMER = "earlier partitions";

export class EarlierRelease {
  readonly #eventLog: EventLog;
  readonly #options: Pick<JoinerOptions, "partition" | "partitionings">;
  #isDone: boolean;

  constructor(
    eventLog: EventLog,
    options: Pick<JoinerOptions, "partition" | "partitionings">,
  ) {
    this.#eventLog = eventLog;
    this.#options = options;
    this.#isDone = (options.partitionings?.length ?? 1) === 1;
  }

  /** Whether this joiner has nothing left to do. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Lets go of the earlier partitions. A restart needs nothing of them. */
  async release(): Promise<void> {
    const { partition, partitionings = [] } = this.#options;
    const { events } = presentPartitioning(partitionings);
    await this.#eventLog.commitOffset(CONSUMER, partition, 1);
    // The joiner that commits last finds all commits: its own came before it looked.
    const committed = await Promise.all(
      numbersOf(events).map((each) => this.#eventLog.committedOffset(CONSUMER, each)),
    );
    if (committed.every((offset) => offset > 0)) {
      for (let each = 0; each < events.first; each++) {
        await this.#eventLog.trim(each, await this.#eventLog.endOffset(each));
      }
    }
    this.#isDone = true;
  }
}
