/**
 * Messages that a shard handles later: while the rows of a snapshot are being loaded, and while it
 * is frozen to move to another node.
 */
import type { EmbeddingShardMessage } from "./protocol.ts";

/** The state of a shard in which messages wait. */
export type WaitingState = "loading" | "frozen";

/**
 * Handling of a message: kept until the state ends, refused so that the asker asks again, sent
 * again by the shard's own timer, or handled as ever.
 */
export type Handling = "waits" | "refused" | "again" | "handled";

/** Messages that wait, at most: several of each trainer. */
const WAITING_MAX = 4_096;

/** All kinds that are not handled as ever in both states. */
const handlings: Readonly<
  Partial<Record<EmbeddingShardMessage["kind"], Readonly<Record<WaitingState, Handling>>>>
> = {
  lookup: { loading: "waits", frozen: "waits" },
  applyGradients: { loading: "waits", frozen: "waits" },
  removeRows: { loading: "waits", frozen: "waits" },
  listIds: { loading: "waits", frozen: "waits" },
  openSource: { loading: "waits", frozen: "waits" },
  takeDelta: { loading: "handled", frozen: "waits" },
  beginSnapshot: { loading: "refused", frozen: "refused" },
  goBack: { loading: "handled", frozen: "refused" },
  beginCopy: { loading: "refused", frozen: "handled" },
  evictExpired: { loading: "again", frozen: "again" },
};

export class WaitingMessages {
  readonly #state: WaitingState;
  readonly #messages: EmbeddingShardMessage[] = [];

  constructor(state: WaitingState) {
    this.#state = state;
  }

  /** Handling of a message in this state. */
  handlingOf({ kind }: EmbeddingShardMessage): Handling {
    return handlings[kind]?.[this.#state] ?? "handled";
  }

  /** Keeps a message until the state ends; false where too many wait. */
  defer(message: EmbeddingShardMessage): boolean {
    if (this.#messages.length === WAITING_MAX) return false;
    this.#messages.push(message);
    return true;
  }

  /** Takes the messages that have waited, in their order. */
  take(): EmbeddingShardMessage[] {
    return this.#messages.splice(0);
  }
}
