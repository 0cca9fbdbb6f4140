/**
 * Moves an embedding shard to another node while it learns: a copy there follows the shard until
 * few changes are left; then the shard is frozen, the copy takes the rest and is compared, and
 * becomes the shard. Trainers repeat what had no answer, and the marks of their sources drop what
 * was applied before. Every failure before the commit leaves the shard where it was.
 */
import type {
  CopyProgress,
  ShardCopyMessage,
  ShardCopyOptions,
} from "../actors/embedding_shard/copy_protocol.ts";
import type { EmbeddingShardOptions } from "../actors/embedding_shard/options.ts";
import type { EmbeddingShardMessage } from "../actors/embedding_shard/protocol.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";
import type { Mesh, PlannedActor } from "../mesh/runtime/mesh.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { addresses, homeNode, nodesOf, planOf } from "./plan.ts";

export interface ShardMoveOptions {
  /** Rows of a page; bounds the pause of the shard while it is copied. Default 4,096. */
  readonly rowsMax?: number;
  /** Rows that the copy may be behind when the shard is frozen. Default 2,048. */
  readonly behindRowsMax?: number;
  /** Time for copying before the move is given up, ms. Default 10 min. */
  readonly copyMsMax?: number;
  /** Time limit of a message, ms. Default 5,000. */
  readonly budgetMs?: number;
  /**
   * Decides, with the shard frozen and the copy verified, whether the copy becomes the shard.
   * Default: it does.
   */
  readonly commit?: () => Promise<boolean>;
}

/** The outcome of a move. */
export interface ShardMoved {
  readonly rows: number;
  readonly bytes: number;
  readonly copyMs: number;
  /** Time in which the shard applied nothing, ms. */
  readonly frozenMs: number;
}

/** A move that was given up: the shard is where it was. */
export class ShardMoveError extends Error {
  override readonly name = "ShardMoveError";
  constructor(shard: number, node: string, cause: unknown) {
    super(
      `embedding_shard/${shard} stays where it is: its move to ${node} was given up, because ` +
        `${cause instanceof Error ? cause.message : String(cause)}.`,
      { cause },
    );
  }
}

/** Pause between two readings of a copy's progress, ms. */
const PROGRESS_MS = 20;

/**
 * Moves a shard of a running mesh.
 *
 * @param actor The shard's actor, as the plan has it, with the node to which it moves.
 * @throws {ShardMoveError} The shard stays where it is.
 */
export async function moveShard(
  mesh: Mesh,
  actor: PlannedShard,
  options: ShardMoveOptions = {},
): Promise<ShardMoved> {
  return await new ShardMove(mesh, actor, options).run();
}

/** The actor of a shard. */
export type PlannedShard = PlannedActor & { readonly options: EmbeddingShardOptions };

/**
 * The plan's actor of a shard, on a node of the plan that may be another one.
 *
 * @throws {RangeError} There is no such shard, or no such node.
 */
export function plannedShard(
  configuration: CairnConfiguration,
  shard: number,
  node: string,
): PlannedShard {
  const nodes = [homeNode, ...nodesOf(configuration).map(({ name }) => name)];
  if (!nodes.includes(node)) {
    throw new RangeError(`There is no node ${node}; the mesh has ${nodes.join(", ")}.`);
  }
  const address = addresses.embeddingShard(shard);
  const actor = planOf(configuration).find(({ kind, key }) => `${kind}/${key}` === address);
  if (actor === undefined) {
    throw new RangeError(`There is no shard ${shard}; the mesh has ${configuration.shardCount}.`);
  }
  return { ...actor, node, options: actor.options as EmbeddingShardOptions };
}

class ShardMove {
  readonly #mesh: Mesh;
  readonly #actor: PlannedShard;
  readonly #options: Required<ShardMoveOptions>;
  readonly #owner: Address;
  readonly #copyAddress: Address;
  readonly #copy: string;
  readonly #budget: { readonly budgetMs: number };

  constructor(
    mesh: Mesh,
    actor: PlannedShard,
    options: ShardMoveOptions,
  ) {
    this.#mesh = mesh;
    this.#actor = actor;
    this.#options = {
      rowsMax: 4_096,
      behindRowsMax: 2_048,
      copyMsMax: 600_000,
      budgetMs: 5_000,
      commit: () => Promise.resolve(true),
      ...options,
    };
    this.#owner = addresses.embeddingShard(actor.options.shard);
    this.#copyAddress = `shard_copy/${actor.options.shard}`;
    this.#copy = mesh.home.random.uuid("move");
    this.#budget = { budgetMs: this.#options.budgetMs };
  }

  async run(): Promise<ShardMoved> {
    const mesh = this.#mesh;
    const { clock } = mesh.home;
    const { shard, tables } = this.#actor.options;
    const { rowsMax, budgetMs } = this.#options;
    const startMs = clock.monotonicMs();
    try {
      const copyOptions: ShardCopyOptions & Pick<EmbeddingShardOptions, "tables"> = {
        shard,
        owner: this.#owner,
        copy: this.#copy,
        rowsMax,
        followIntervalMs: PROGRESS_MS,
        budgetMs,
        tables,
      };
      const { node } = this.#actor;
      await mesh.spawn({ kind: "shard_copy", key: String(shard), node, options: copyOptions });
      await mesh.place([[this.#copyAddress, node]]);
      const { rows, bytes } = await this.#caughtUp();
      const frozenAtMs = clock.monotonicMs();
      await mesh.actorRef<ShardCopyMessage>(this.#copyAddress)
        .ask({ kind: "verifyCopy" }, { budgetMs: 4 * budgetMs });
      if (!await this.#options.commit()) throw new Error("the move was not committed");
      await this.#retire();
      const { placed } = await mesh.relocate(this.#actor);
      const nowMs = clock.monotonicMs();
      // A node that is busy hears of it later; asks that it sends meanwhile are repeated.
      placed.catch((error) =>
        mesh.home.telemetry.log("warn", `a node was not told that ${this.#owner} has moved`, {
          reason: reasonOf(error),
        })
      );
      return { rows, bytes, copyMs: frozenAtMs - startMs, frozenMs: nowMs - frozenAtMs };
    } catch (error) {
      await mesh.actorRef<EmbeddingShardMessage>(this.#owner)
        .ask({ kind: "abandonCopy", copy: this.#copy }, this.#budget).catch(() => {});
      throw new ShardMoveError(shard, this.#actor.node, error);
    } finally {
      await mesh.end(this.#copyAddress, 0).catch(() => {});
    }
  }

  /** Resolves when few changes are left. */
  async #caughtUp(): Promise<CopyProgress> {
    const mesh = this.#mesh;
    const { clock } = mesh.home;
    const { behindRowsMax, copyMsMax } = this.#options;
    const deadlineMs = clock.monotonicMs() + copyMsMax;
    const copy = mesh.actorRef<ShardCopyMessage>(this.#copyAddress);
    for (;;) {
      const progress = await copy.ask({ kind: "getCopyProgress" }, this.#budget);
      if (progress.state === "failed") throw new Error(progress.reason);
      if (progress.state === "following" && progress.behindRows <= behindRowsMax) return progress;
      if (clock.monotonicMs() >= deadlineMs) {
        throw new Error(
          `the copy is ${progress.behindRows} rows behind after ${copyMsMax} ms (${progress.state})`,
        );
      }
      await new Promise<void>((resolve) => clock.schedule(PROGRESS_MS, resolve));
    }
  }

  /** The old owner frees its thread for another actor of the shard. */
  async #retire(): Promise<void> {
    await this.#mesh.actorRef<EmbeddingShardMessage>(this.#owner)
      .ask({ kind: "retireShard" }, this.#budget).catch(() => {});
  }
}
