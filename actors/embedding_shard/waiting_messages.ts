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
}

export class WaitingMessages {
  readonly #state: WaitingState;
  readonly #parts: WaitingParts;
  readonly #messages: EmbeddingShardMessage[] = [];
  #isStopping = false;

  constructor(state: WaitingState, parts: WaitingParts) {
    this.#state = state;
    this.#parts = parts;
  }

  /** Whether the shard stops, so that no message waits any more. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /**
   * Holds back a message that is not handled now: it waits, is refused, or is sent again later.
   *
   * @returns False if the message is handled now.
   */
  holdsBack(message: EmbeddingShardMessage): boolean {
    const { context, retryMs } = this.#parts;
    switch (handlings[message.kind]?.[this.#state] ?? "handled") {
      case "waits":
        if (this.#isStopping) this.#refuse(message);
        else if (this.#messages.length < WAITING_MAX) this.#messages.push(message);
        else this.#refuse(message, "hold more messages");
        return true;
      case "refused":
        this.#refuse(message);
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

  /** The shard stops: refuses the messages that wait, and from now on all that would. */
  beginStop(): void {
    this.#isStopping = true;
    for (const message of this.take()) this.#refuse(message);
  }

  #refuse(message: EmbeddingShardMessage, doing: string = message.kind): void {
    const { context, refusal } = this.#parts;
    context.replyError(message, refusal(doing));
  }
}
