/**
 * Messages that a shard handles later: while the rows of a snapshot are being loaded, and while it
 * is frozen to move to another node.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { EmbeddingShardMessage } from "./protocol.ts";

/** The state of a shard in which messages wait. */
export type WaitingState = "loading" | "frozen";

/**
 * Handling of a message: held until the state ends, refused so that the asker asks again, sent
 * again by the shard's own timer, or handled as usual.
 */
type Handling = "waits" | "refused" | "again" | "handled";

/** Messages that wait, at most: several of each trainer. */
const WAITING_MAX = 4_096;

/** All kinds that are not handled as usual in both states. */
const handlings: Readonly<
  Partial<Record<EmbeddingShardMessage["kind"], Readonly<Record<WaitingState, Handling>>>>
> = {
  lookup: { loading: "waits", frozen: "waits" },
  applyGradients: { loading: "waits", frozen: "waits" },
  removeRows: { loading: "waits", frozen: "waits" },
  listIds: { loading: "waits", frozen: "waits" },
  openSource: { loading: "waits", frozen: "waits" },
  takeDeltas: { loading: "handled", frozen: "waits" },
  learned: { loading: "handled", frozen: "waits" },
  beginSnapshot: { loading: "refused", frozen: "refused" },
  goBack: { loading: "handled", frozen: "refused" },
  beginCopy: { loading: "refused", frozen: "handled" },
  evictExpired: { loading: "again", frozen: "again" },
};

export interface WaitingParts {
  readonly context: ActorContext<EmbeddingShardMessage>;
  /** The error of a shard that cannot do something now. */
  readonly refusal: (doing: string) => Error;
  /** Delay before a message of the shard's own timer is sent again, ms. */
  readonly retryMs: number;
  /** The shard stops: what would wait is refused. */
  readonly isStopping: boolean;
}

export class WaitingMessages {
  readonly #state: WaitingState;
  readonly #messages: EmbeddingShardMessage[] = [];

  constructor(state: WaitingState) {
    this.#state = state;
  }

  /**
   * Holds back a message that is not handled now: it waits, is refused, or is sent again later.
   *
   * @returns False if the message is handled now.
   */
  holdsBack(message: EmbeddingShardMessage, parts: WaitingParts): boolean {
    const { context, refusal, retryMs, isStopping } = parts;
    switch (handlings[message.kind]?.[this.#state] ?? "handled") {
      case "waits":
        if (isStopping) context.replyError(message, refusal(message.kind));
        else if (this.#messages.length < WAITING_MAX) this.#messages.push(message);
        else context.replyError(message, refusal("hold more messages"));
        return true;
      case "refused":
        context.replyError(message, refusal(message.kind));
        return true;
      case "again":
        context.schedule(retryMs, message);
        return true;
      case "handled":
        return false;
    }
  }

  /** Takes the messages that have waited, in their order. */
  take(): EmbeddingShardMessage[] {
    return this.#messages.splice(0);
  }
}
