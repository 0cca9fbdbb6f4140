/**
 * The moves of a shard to other nodes, seen from its owner: one copy at a time reads the rows, and
 * messages to a frozen shard wait until the move is given up.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { ClassTables } from "../../kernels/embedding/class_tables.ts";
import { present } from "../../structures/invariant.ts";
import type { AwaitFreeze, GivingMessage, ShardHandover } from "./copy_protocol.ts";
import { ShardMovingError } from "./copy_protocol.ts";
import { Giving, refuseCopy } from "./giving.ts";
import type { MovedShards } from "./moved_shards.ts";
import type { EmbeddingShardOptions } from "./options.ts";
import type { EmbeddingShardMessage } from "./protocol.ts";
import type { ShardFigures } from "./shard_figures.ts";
import { WaitingMessages } from "./waiting_messages.ts";

export interface ShardMovesParts {
  readonly context: ActorContext<EmbeddingShardMessage>;
  readonly options: EmbeddingShardOptions;
  readonly tables: ClassTables;
  readonly moved: MovedShards;
  readonly figures: ShardFigures;
  readonly incarnation: string;
  /** Called once a move: from now on the shard takes no updates. */
  readonly onFrozen: () => void;
  /** The state of the frozen shard that is not in its tables; called once a move. */
  readonly handOver: () => Omit<ShardHandover, "end">;
  /** Handles a message that has waited. */
  readonly receive: (message: EmbeddingShardMessage) => void;
}

export class ShardMoves {
  readonly #parts: ShardMovesParts;
  /** The move that is under way. */
  #giving: Giving | undefined;
  /** Answered when the shard is frozen. */
  #awaiting: AwaitFreeze | undefined;
  /** Messages to the frozen shard. */
  readonly #waiting: WaitingMessages;

  constructor(parts: ShardMovesParts) {
    this.#parts = parts;
    const { context, moved, options: { shard, tenure, evictionIntervalMs } } = parts;
    this.#waiting = new WaitingMessages("frozen", {
      context,
      refusal: (doing) => new ShardMovingError(shard, doing),
      retryMs: evictionIntervalMs,
    });
    // The shard handed itself over and crashed: the copy may be the owner by now.
    const copy = moved.givenTo(shard, tenure);
    if (copy !== undefined) this.#begin(copy, undefined);
  }

  /** Holds back a message that a frozen shard does not handle; false if it is handled now. */
  holdsBack(message: EmbeddingShardMessage): boolean {
    return this.#giving?.isFrozen === true && this.#waiting.holdsBack(message);
  }

  /** Answers a message about a copy. */
  answer(message: GivingMessage): void {
    const { context, options: { shard }, tables, incarnation } = this.#parts;
    const giving = this.#giving;
    switch (message.kind) {
      case "beginCopy": {
        if (giving !== undefined) this.#giveUp(giving);
        const source = tables.copySource();
        const headers = source.begin();
        this.#begin(message.copy, source);
        return context.reply(message, { incarnation, headers });
      }
      case "copyRows":
      case "getCopyChanges":
      case "finishCopy":
      case "awaitReport":
        if (giving?.copy === message.copy) return giving.answer(message);
        return refuseCopy(context, shard, message);
      case "freezeReported":
        if (giving?.copy === message.copy) giving.reported();
        return;
      case "abandonCopy":
        if (giving !== undefined && giving.copy === (message.copy ?? giving.copy)) {
          this.#giveUp(giving);
        }
        return context.reply(message, undefined);
      case "getGiving":
        return context.reply(message, giving?.state);
      case "awaitFreeze":
        this.#answerAwaiting();
        this.#awaiting = message;
        if (giving?.isFrozen === true || this.#waiting.isStopping) this.#answerAwaiting();
        return;
      default:
        message satisfies never;
    }
  }

  /** The shard stops: nothing waits for a freeze, nor for the end of one. */
  beginStop(): void {
    this.#answerAwaiting();
    this.#giving?.refuseAwaiting();
    this.#waiting.beginStop();
  }

  /** Ends the move of a stopping shard; a frozen shard stops because it has moved. */
  stop(): void {
    this.#parts.figures.moveEnded("moved", this.#giving?.frozenAtMs);
  }

  #begin(copy: string, source: ConstructorParameters<typeof Giving>[1]): void {
    const { context, options: { shard, tenure }, moved, onFrozen, handOver } = this.#parts;
    const freeze = () => {
      const { copy } = present(this.#giving, "a frozen shard moves");
      moved.give(shard, copy, tenure);
      onFrozen();
      this.#answerAwaiting();
    };
    this.#giving = new Giving(copy, source, { context, shard, onFrozen: freeze, handOver });
  }

  #answerAwaiting(): void {
    const awaiting = this.#awaiting;
    this.#awaiting = undefined;
    if (awaiting !== undefined) this.#parts.context.reply(awaiting, this.#giving?.state);
  }

  /** The shard stays here: messages that have waited are handled now. */
  #giveUp(giving: Giving): void {
    const { figures, moved, options, receive } = this.#parts;
    figures.moveEnded("givenUp", giving.frozenAtMs);
    this.#giving = undefined;
    giving.close();
    moved.settle(options.shard);
    for (const message of this.#waiting.take()) receive(message);
  }
}
