/**
 * The outcome of the last attempt to take a snapshot in this process, for its pages and its lease.
 */
import type { SnapshotFailure } from "../mesh/ports/snapshot_failure.ts";

export class SnapshotOutcome {
  #failure: SnapshotFailure | undefined;

  /** Undefined where the last attempt has succeeded, or there was none. */
  get failure(): SnapshotFailure | undefined {
    return this.#failure;
  }

  /** Takes the outcome of an attempt; undefined = it has succeeded. */
  readonly tell = (failure: SnapshotFailure | undefined): void => {
    this.#failure = failure;
  };
}
