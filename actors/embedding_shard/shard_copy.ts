/**
 * A copy of a shard on the node to which it moves. It copies all rows in pages, follows their
 * changes, and on request has the owner frozen, takes the rest and compares both sides. The
 * verified copy waits in {@link MovedShards} for the shard's actor on this node, until the copy's
 * actor ends.
 */
import type { ActorContext, ActorRef, Behavior } from "../../mesh/runtime/actor.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import type { CopyCursor, CopyTarget } from "../../kernels/embedding/class_copy.ts";
import { ClassTables, type ClassTablesOptions } from "../../kernels/embedding/class_tables.ts";
import { invariant, present } from "../../structures/invariant.ts";
import type {
  CopyBegun,
  CopyProgress,
  ShardCopyMessage,
  ShardCopyOptions,
  ShardHandover,
  VerifyCopy,
} from "./copy_protocol.ts";
import type { MovedShards } from "./moved_shards.ts";
import type { EmbeddingShardMessage } from "./protocol.ts";

/** Answers of the owner that may be lost one after another. */
const ATTEMPTS_MAX = 3;
/** Pause before an owner that could not be reached is asked again, ms. */
const REACH_PAUSE_MS = 100;
/**
 * Pauses before a copy whose owner cannot be reached fails, 15 s in all. A host that joins gets
 * shards before its links with the other hosts are up, which takes some seconds.
 */
const REACH_PAUSES_MAX = 150;

/** The options of a copy, and those of the shard's tables, which both sides share. */
export interface ShardCopyActorOptions extends ShardCopyOptions {
  readonly tables: ClassTablesOptions;
}

export class ShardCopy implements Behavior<ShardCopyMessage> {
  readonly #context: ActorContext<ShardCopyMessage>;
  readonly #options: ShardCopyActorOptions;
  readonly #moved: MovedShards;
  readonly #owner: ActorRef<EmbeddingShardMessage>;
  readonly #tables: ClassTables;
  #target: CopyTarget | undefined;
  /** Position of the next page; undefined at first. */
  #cursor: CopyCursor | undefined;
  #incarnation = "";
  #reachPauses = 0;
  #progress: CopyProgress = { state: "filling", rows: 0, bytes: 0, behindRows: 0 };
  #ended = false;

  constructor(
    context: ActorContext<ShardCopyMessage>,
    options: ShardCopyActorOptions,
    moved: MovedShards,
  ) {
    this.#context = context;
    this.#options = options;
    this.#moved = moved;
    this.#owner = context.actorRef<EmbeddingShardMessage>(options.owner);
    this.#tables = ClassTables.create(options.tables);
    context.schedule(0, { kind: "copyMore" });
  }

  async receive(message: ShardCopyMessage): Promise<void> {
    switch (message.kind) {
      case "getCopyProgress":
        return this.#context.reply(message, this.#progress);
      case "copyMore":
        return await this.#guarded(() => this.#copyMore());
      case "verifyCopy":
        return await this.#verify(message);
      default:
        message satisfies never;
    }
  }

  /**
   * A verified copy that no shard has become belongs to a move that was given up. Its rows are old
   * as soon as the owner goes on: a shard that this node is given later must not begin with them.
   */
  stop(): void {
    this.#ended = true;
    this.#moved.discard(this.#options.shard, this.#tables);
  }

  /** A copy that fails stays failed: the move is given up. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    if (this.#progress.state === "failed" || this.#progress.state === "verified") return;
    try {
      await work();
    } catch (error) {
      this.#progress = { ...this.#progress, state: "failed", reason: reasonOf(error) };
    }
  }

  async #copyMore(): Promise<void> {
    const { copy, rowsMax, followIntervalMs } = this.#options;
    if (this.#target === undefined) {
      const begun = await this.#begin();
      if (begun === undefined) {
        this.#context.schedule(REACH_PAUSE_MS, { kind: "copyMore" });
        return;
      }
      this.#incarnation = begun.incarnation;
      this.#target = this.#tables.copyTarget(begun.headers);
    }
    if (this.#progress.state === "filling") await this.#takePage(this.#target);
    // Also between pages: rows that were removed since make room for others.
    const { applied } = this.#target;
    const changes = await this.#ask((budget) =>
      this.#owner.ask({ kind: "getCopyChanges", copy, applied, rowsMax }, { ...budget, bulk: true })
    );
    this.#target.takeChanges(changes);
    this.#progress = { ...this.#progress, behindRows: changes.rows };
    const isBehind = this.#progress.state === "filling" || changes.rows >= rowsMax;
    this.#context.schedule(isBehind ? 0 : followIntervalMs, { kind: "copyMore" });
  }

  /** Begins the copy at the owner; undefined while the owner cannot be reached. */
  async #begin(): Promise<CopyBegun | undefined> {
    const { copy } = this.#options;
    try {
      return await this.#ask((budget) => this.#owner.ask({ kind: "beginCopy", copy }, budget));
    } catch (error) {
      const isUnreached = (error as Error).name === "ActorFailedError";
      if (!isUnreached || this.#reachPauses === REACH_PAUSES_MAX) throw error;
      this.#reachPauses++;
      return undefined;
    }
  }

  async #takePage(target: CopyTarget): Promise<void> {
    const { copy, rowsMax } = this.#options;
    const cursor = this.#cursor === undefined ? {} : { cursor: this.#cursor };
    const page = await this.#ask((budget) =>
      this.#owner.ask({ kind: "copyRows", copy, rowsMax, ...cursor }, { ...budget, bulk: true })
    );
    target.takePage(page);
    this.#cursor = page.cursor;
    this.#progress = {
      ...this.#progress,
      state: page.done ? "following" : "filling",
      rows: this.#progress.rows + page.rows,
      bytes: this.#progress.bytes + page.bytes.length,
    };
  }

  async #verify(message: VerifyCopy): Promise<void> {
    await this.#guarded(async () => {
      invariant(this.#progress.state === "following", "a copy is filled before it is verified");
      const target = present(this.#target, "a copy that follows has begun");
      const { copy } = this.#options;
      const reported = this.#ask((budget) =>
        this.#owner.ask({ kind: "awaitReport", copy }, budget)
      );
      reported.catch(() => {}); // waited for below
      const handover = await this.#takeRest(target);
      if (handover.incarnation !== this.#incarnation) {
        throw new Error(`${this.#options.owner} was restarted since the copy began`);
      }
      const { end, ...rest } = handover;
      target.finish(end);
      if (this.#ended) throw new Error("the move was given up");
      this.#moved.keep(this.#options.shard, { ...rest, tables: this.#tables });
      this.#progress = { ...this.#progress, state: "verified", behindRows: 0 };
      // An owner that crashes meanwhile stays frozen, and its host tells the store a little later.
      await reported.catch(() => {});
    });
    const { state, reason = "it is not filled yet", rows } = this.#progress;
    if (state === "verified") return this.#context.reply(message, { rows });
    this.#context.replyError(message, new Error(`The copy failed: ${reason}`));
  }

  async #takeRest(target: CopyTarget): Promise<ShardHandover> {
    const { copy, rowsMax } = this.#options;
    for (;;) {
      const { applied } = target;
      const { changes, handover } = await this.#ask((budget) =>
        this.#owner.ask({ kind: "finishCopy", copy, applied, rowsMax }, budget)
      );
      target.takeChanges(changes);
      if (handover !== undefined) return handover;
    }
  }

  /** Asks again where the answer is late; the owner gives the same one. */
  async #ask<R>(attempt: (budget: { readonly budgetMs: number }) => Promise<R>): Promise<R> {
    const { budgetMs } = this.#options;
    for (let attempts = 1;; attempts++) {
      try {
        return await attempt({ budgetMs });
      } catch (error) {
        const isLate = (error as Error).name === "AskTimeoutError";
        if (!isLate || attempts === ATTEMPTS_MAX) throw error;
      }
    }
  }
}
