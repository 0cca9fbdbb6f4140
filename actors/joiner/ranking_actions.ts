/**
 * The labels that actions have given to the rows of held impressions, and the rows that reports say
 * were shown. Most impressions have neither, and no entry here.
 */
import { invariant, present } from "../../structures/invariant.ts";
import type { RecordAddress } from "../../structures/record_store.ts";
import { EventIds } from "./event_ids.ts";

/** The actions on one held impression, and the reports of its shown items. */
export interface RankingActions {
  /** `[rows, tasks]`: 0, 1 or an action's value; NaN while undecided. */
  readonly labels: Float32Array;
  /** `[rows]`: 1 once the row's example is decided. */
  readonly decided: Uint8Array;
  /** Rows whose example is not decided. */
  rowsOpen: number;
  /** `[rows]`: 1 once a report or an action names the row's item. */
  readonly shown: Uint8Array;
  /** Whether a report came: the rows that are not shown then give no examples. */
  isReported: boolean;
  /** Ids of the actions that were counted. */
  readonly eventIds: EventIds;
}

/**
 * Memory of a {@link RankingActions} and its entry besides the numbers, bytes. Measured: 720 bytes
 * of heap, and the allocator's share of five small arrays.
 */
const OVERHEAD_BYTES = 1_024;

export class ActionsByImpression {
  readonly #byAddress = new Map<RecordAddress, RankingActions>();
  #bytes = 0;

  /** Memory of all entries, bytes: a function of the log, as `HeldImpressions.bytes` is. */
  get bytes(): number {
    return this.#bytes;
  }

  has(address: RecordAddress): boolean {
    return this.#byAddress.has(address);
  }

  get(address: RecordAddress): RankingActions | undefined {
    return this.#byAddress.get(address);
  }

  /** The entry of an impression, made on its first action. */
  of(address: RecordAddress, rows: number, tasks: number): RankingActions {
    let actions = this.#byAddress.get(address);
    if (actions === undefined) {
      actions = {
        labels: new Float32Array(rows * tasks).fill(NaN),
        decided: new Uint8Array(rows),
        rowsOpen: rows,
        shown: new Uint8Array(rows),
        isReported: false,
        eventIds: new EventIds(),
      };
      this.#byAddress.set(address, actions);
      this.#bytes += bytesOf(actions);
    }
    return actions;
  }

  /** Gives an impression without actions those that it had in another window. */
  put(address: RecordAddress, actions: RankingActions): void {
    invariant(!this.#byAddress.has(address), "a carried impression has its actions once");
    this.#byAddress.set(address, actions);
    this.#bytes += bytesOf(actions);
  }

  /** Remembers the id of an action; it is new. */
  addEventId({ eventIds }: RankingActions, eventId: string): void {
    const before = eventIds.bytes;
    invariant(eventIds.add(eventId), "an action is counted once");
    this.#bytes += eventIds.bytes - before;
  }

  /** The impression's record has a new address. */
  move(from: RecordAddress, to: RecordAddress): void {
    if (!this.#byAddress.has(from)) return;
    invariant(!this.#byAddress.has(to), "an address has one impression");
    this.#byAddress.set(to, present(this.#byAddress.get(from), "the entry is there"));
    this.#byAddress.delete(from);
  }

  /** Removes the actions on an impression that is not held any more. */
  delete(address: RecordAddress): void {
    const actions = this.#byAddress.get(address);
    if (actions === undefined) return;
    this.#byAddress.delete(address);
    this.#bytes -= bytesOf(actions);
    invariant(this.#byAddress.size > 0 || this.#bytes === 0, "no actions take no bytes");
  }
}

function bytesOf({ labels, decided, shown, eventIds }: RankingActions): number {
  return OVERHEAD_BYTES + labels.byteLength + decided.byteLength + shown.byteLength +
    eventIds.bytes;
}
