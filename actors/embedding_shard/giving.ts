/**
 * The owner's side of a live move: the copy that reads its rows, and the messages that wait while
 * the shard is frozen.
 */
import type { CopySource } from "../../kernels/embedding/class_copy.ts";
import type { HandedDeltas } from "./deltas.ts";
import { WaitingMessages } from "./waiting_messages.ts";

export class Giving {
  readonly copy: string;
  /** Undefined after a crash of the frozen shard: it only waits for the end of the move. */
  readonly source: CopySource | undefined;
  readonly waiting = new WaitingMessages("frozen");
  isFrozen: boolean;
  /** When it was frozen, on the monotonic clock, ms; undefined before that, and after a crash. */
  frozenAtMs: number | undefined;
  /** The deltas as they were handed over; undefined before that. */
  deltas: { readonly handed: HandedDeltas | undefined } | undefined;

  constructor(copy: string, source: CopySource | undefined) {
    this.copy = copy;
    this.source = source;
    this.isFrozen = source === undefined;
  }
}
