/**
 * The owner's side of a live move: answers the copy that reads the shard's rows, freezes the shard
 * for the last changes, and hands its state over.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { CopySource } from "../../kernels/embedding/class_copy.ts";
import {
  type AwaitReport,
  CopyLostError,
  type CopyRequest,
  type GivingState,
  type ShardHandover,
} from "./copy_protocol.ts";
import type { EmbeddingShardMessage } from "./protocol.ts";

export interface GivingParts {
  readonly context: ActorContext<EmbeddingShardMessage>;
  readonly shard: number;
  /** Called once: from now on the shard takes no updates. */
  readonly onFrozen: () => void;
  /** The state of the frozen shard that is not in its tables; called once. */
  readonly handOver: () => Omit<ShardHandover, "end">;
}

export class Giving {
  readonly copy: string;
  readonly #parts: GivingParts;
  /** Undefined after a crash of the frozen shard: it only waits for the end of the move. */
  readonly #source: CopySource | undefined;
  #isFrozen: boolean;
  #frozenAtMs: number | undefined;
  readonly #begunAtMs: number;
  #handover: Omit<ShardHandover, "end"> | undefined;
  /** Whether the store knows of the freeze. */
  #isReported = false;
  /** Answered when the store knows. */
  #awaiting: AwaitReport | undefined;

  constructor(copy: string, source: CopySource | undefined, parts: GivingParts) {
    this.copy = copy;
    this.#source = source;
    this.#parts = parts;
    this.#isFrozen = source === undefined;
    this.#begunAtMs = parts.context.clock.monotonicMs();
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** When it was frozen, on the monotonic clock, ms; undefined before that, and after a crash. */
  get frozenAtMs(): number | undefined {
    return this.#frozenAtMs;
  }

  get state(): GivingState {
    const sinceMs = this.#frozenAtMs ?? this.#begunAtMs;
    const frozenForMs = this.#isFrozen ? this.#parts.context.clock.monotonicMs() - sinceMs : 0;
    return { copy: this.copy, isFrozen: this.#isFrozen, frozenForMs };
  }

  /** Answers a request of the copy. */
  answer(message: CopyRequest): void {
    const { context, shard } = this.#parts;
    const source = this.#source;
    if (source === undefined) return refuseCopy(context, shard, message);
    const misfit = "applied" in message
      ? source.misfitOfApplied(message.applied)
      : message.kind === "copyRows"
      ? source.misfitOfPosition(message.cursor)
      : undefined;
    if (misfit !== undefined) return context.replyError(message, misfit);
    if (message.kind === "copyRows") {
      const page = source.page(message.cursor, message.rowsMax);
      return context.reply(message, page, [page.bytes.buffer]);
    }
    if (message.kind === "awaitReport") {
      this.#awaiting = message;
      if (this.#isReported) this.reported();
      return;
    }
    if (message.kind === "finishCopy") this.#freeze();
    const changes = source.changes(message.applied, message.rowsMax);
    if (changes === "overflowed") {
      const why = "more rows were removed than can be remembered";
      return refuseCopy(context, shard, message, why);
    }
    const buffers = changes.classes.flatMap((delta) =>
      delta === undefined ? [] : [delta.bytes.buffer, delta.tombstones.buffer]
    );
    if (message.kind === "getCopyChanges") return context.reply(message, changes, buffers);
    const areLast = changes.classes.every((delta) =>
      delta === undefined || delta.rows + delta.tombstones.length < message.rowsMax
    );
    if (!areLast) return context.reply(message, { changes }, buffers);
    this.#handover ??= this.#parts.handOver();
    const handover = { end: source.end(), ...this.#handover };
    context.reply(message, { changes, handover }, buffers);
  }

  #freeze(): void {
    if (this.#isFrozen) return;
    this.#isFrozen = true;
    this.#frozenAtMs = this.#parts.context.clock.monotonicMs();
    this.#parts.onFrozen();
  }

  /** The store knows that the shard is frozen: the copy may become the owner. */
  reported(): void {
    this.#isReported = true;
    const awaiting = this.#awaiting;
    this.#awaiting = undefined;
    if (awaiting !== undefined) this.#parts.context.reply(awaiting, undefined);
  }

  /** The shard stops, or the move is given up: refuses the copy that waits for the store. */
  refuseAwaiting(): void {
    const awaiting = this.#awaiting;
    this.#awaiting = undefined;
    if (awaiting === undefined) return;
    const { context, shard } = this.#parts;
    refuseCopy(context, shard, awaiting, "the move was given up");
  }

  /** Stops recording changes for the copy. */
  close(): void {
    this.refuseAwaiting();
    this.#source?.close();
  }
}

/** Refuses a request of a copy that the shard does not answer any more. */
export function refuseCopy(
  context: ActorContext<EmbeddingShardMessage>,
  shard: number,
  message: CopyRequest,
  why = "the shard was restarted, or another copy was begun",
): void {
  context.replyError(message, new CopyLostError(shard, message.copy, why));
}
