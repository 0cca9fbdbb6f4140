/**
 * The labels that actions have given to the rows of open impressions. Most impressions have no
 * action and no entry here.
 */
import { invariant } from "../../structures/invariant.ts";
import type { RecordAddress } from "../../structures/record_store.ts";

/** The actions on one open impression. */
export interface RankingActions {
  /** `[rows, tasks]`: 0, 1 or an action's value; NaN while undecided. */
  readonly labels: Float32Array;
  /** `[rows]`: 1 once the row's example is decided. */
  readonly decided: Uint8Array;
  /** Rows whose example is not decided. */
  rowsOpen: number;
  /** Ids of the actions that were counted. */
  readonly eventIds: Set<string>;
}

/** Estimated memory of a {@link RankingActions} without its arrays, bytes. */
const OVERHEAD_BYTES = 512;

export class ActionsByImpression {
  readonly #byAddress = new Map<RecordAddress, RankingActions>();
  #bytes = 0;

  /** Memory of all entries, bytes. */
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
        eventIds: new Set(),
      };
      this.#byAddress.set(address, actions);
      this.#bytes += bytesOf(actions);
    }
    return actions;
  }

  /** Forgets the actions on an impression that is closed. */
  delete(address: RecordAddress): void {
    const actions = this.#byAddress.get(address);
    if (actions === undefined) return;
    this.#byAddress.delete(address);
    this.#bytes -= bytesOf(actions);
    invariant(this.#byAddress.size > 0 || this.#bytes === 0, "no actions take no bytes");
  }
}

function bytesOf({ labels, decided }: RankingActions): number {
  return OVERHEAD_BYTES + labels.byteLength + decided.byteLength;
}
