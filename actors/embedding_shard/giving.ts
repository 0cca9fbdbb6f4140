/**
 * The owner's side of a live move: the copy that reads its rows, and the messages that wait while
 * the shard is frozen.
 */
import type { CopySource } from "../../kernels/embedding/class_copy.ts";
import type { HandedDeltas } from "./deltas.ts";
import type { EmbeddingShardMessage } from "./protocol.ts";

/** Messages that wait, at most: several of each trainer. */
const WAITING_MAX = 4_096;

/** The fate of a message that comes while the shard is frozen. */
export function whileFrozen(
  { kind }: EmbeddingShardMessage,
): "waits" | "refused" | "again" | "handled" {
  switch (kind) {
    case "lookup":
    case "applyGradients":
    case "removeRows":
    case "listIds":
    case "openSource":
    case "takeDelta":
      return "waits";
    case "beginSnapshot":
    case "goBack":
      return "refused";
    case "evictExpired":
      return "again";
    default:
      return "handled";
  }
}

export class Giving {
  readonly copy: string;
  /** Undefined after a crash of the frozen shard: it only waits for the end of the move. */
  readonly source: CopySource | undefined;
  readonly #waiting: EmbeddingShardMessage[] = [];
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

  /** Keeps a message until the move has ended; false where too many wait. */
  defer(message: EmbeddingShardMessage): boolean {
    if (this.#waiting.length === WAITING_MAX) return false;
    this.#waiting.push(message);
    return true;
  }

  /** The messages that have waited, in their order. */
  takeWaiting(): EmbeddingShardMessage[] {
    return this.#waiting.splice(0);
  }
}
