/**
 * A host's part in the placement of shards: it renews the host's lease, takes its turn as the
 * controller, sends messages to the shards' present owners, and makes, copies and ends the shards
 * that the coordination store gives to this host. All decisions are made in mesh/placement; here
 * they are carried out.
 *
 * While the store is away everything stays as it is.
 */
import type { EmbeddingShardOptions } from "../actors/embedding_shard/options.ts";
import type { EmbeddingShardMessage } from "../actors/embedding_shard/protocol.ts";
import type { ShardCopyMessage } from "../actors/embedding_shard/copy_protocol.ts";
import type { ShardCopyActorOptions } from "../actors/embedding_shard/shard_copy.ts";
import {
  type Coordination,
  type HostDescription,
  HostGoneError,
  type HostRun,
  type MeshSettings,
  type MeshView,
  type PlacedKey,
  type Placement,
  PlacementConflictError,
} from "../mesh/ports/coordination.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import { type ControllerOptions, defaultControllerOptions } from "../mesh/placement/controller.ts";
import { ControllerRounds } from "../mesh/placement/controller_rounds.ts";
import {
  dutiesOf,
  type Holding,
  type HostDuty,
  type HostStep,
  hostStep,
} from "../mesh/placement/host_duties.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";
import type { Mesh } from "../mesh/runtime/mesh.ts";
import { present } from "../structures/invariant.ts";
import { Pauses } from "./pauses.ts";
import { addresses } from "./plan.ts";
import { shardSizes } from "./shard_sizes.ts";

export interface PlacementAgentOptions {
  readonly mesh: Mesh;
  readonly coordination: Coordination;
  readonly settings: MeshSettings;
  readonly description: HostDescription;
  /** Options of every shard, except its number. */
  readonly shard: Omit<EmbeddingShardOptions, "shard">;
  /** The node of a shard on a host that owns it. */
  readonly nodeOf: (host: string, shard: number) => string;
  /** Length of a host's lease, ms. */
  readonly ttlMs: number;
  readonly controller?: Partial<ControllerOptions>;
  /** The host was removed from the mesh, or lost its shards: the process must stop. */
  readonly onGone: (error: Error) => void;
}

/** Renewals within the length of a lease; shards have half as long to tell their sizes. */
const RENEWALS_PER_LEASE = 3;
/** Longest time between two looks at the store, ms; a change of the store comes at once. */
const LOOK_MS = 500;
/** The same while a shard moves: the freeze of an owner is no change of the store. */
const LOOK_MOVING_MS = 20;
const COPY_ROWS_MAX = 4_096;
/** Rows that a copy may be behind when its owner is frozen. */
const BEHIND_ROWS_MAX = 2_048;
/** Time after which a verified copy is void if its owner does not say that it is frozen, ms. */
const UNCONFIRMED_MS = 3_000;
/** Pause before a copy that failed begins anew: twice as long after each failure in a row, ms. */
const COPY_PAUSE_MS = { first: 500, max: 30_000 };
/** Time in which the others learn of a move before the old owner's messages fail, ms. */
const HANDOVER_MS = 20;
/**
 * A shard that is lost is restored alone: the trainers go back to the newest snapshot that all
 * shards have reached, and the marks of the other shards drop what they have applied.
 */
const GENERATION = 0;
/** Time that what is under way has to end at a stop, ms. */
const STOP_MS = 2_000;
const BUDGET = { budgetMs: 5_000 };

interface Copy {
  readonly epoch: number;
  verifiedAtMs: number | undefined;
}

interface Rows {
  readonly epoch: number;
  givesTo: HostRun | undefined;
  /** At the last look it was frozen, although the store knew of no move. */
  isFrozenAlone: boolean;
}

export class PlacementAgent {
  readonly #options: PlacementAgentOptions;
  readonly #run: HostRun;
  readonly #telemetry: Telemetry;
  readonly #pauses: Pauses;
  readonly #rows = new Map<number, Rows>();
  readonly #copies = new Map<number, Copy>();
  /** Copies that have failed in a row, by shard, and when the next one may begin. */
  readonly #failed = new Map<number, { readonly count: number; readonly untilMs: number }>();
  /** Shards for which something is being done, which the next look leaves alone. */
  readonly #busy = new Map<number, Promise<void>>();
  /** The node of each shard's owner, as this process was told last. */
  readonly #placed = new Map<number, string>();
  #stopped = false;
  #loops: Promise<void>[] = [];

  constructor(options: PlacementAgentOptions) {
    this.#options = options;
    const { host, incarnation } = options.description;
    this.#run = { host, incarnation };
    this.#telemetry = options.mesh.home.telemetry;
    this.#pauses = new Pauses(options.mesh.home.clock);
  }

  /**
   * Joins the mesh, and begins to fulfil its duties.
   *
   * @throws {MeshMismatchError} The mesh was created with other settings.
   * @throws {ProtocolMismatchError} It speaks another protocol.
   */
  async start(): Promise<void> {
    const { coordination, settings, description, ttlMs, controller } = this.#options;
    await coordination.open(settings);
    await coordination.join(description);
    const rounds = new ControllerRounds(coordination, this.#run, {
      ...defaultControllerOptions,
      patienceMs: ttlMs,
      ...controller,
    });
    let seen = 0;
    this.#loops = [
      this.#loop("renewing the lease", async () => {
        await coordination.renew(this.#run, await this.#sizes());
        await this.#pauses.pause(ttlMs / RENEWALS_PER_LEASE);
      }),
      this.#loop("controlling the mesh", async () => {
        const round = await rounds.round();
        if (round.kind === "controls") {
          for (const step of round.made) {
            if (step.kind !== "writePlan") this.#telemetry.log("info", `placement: ${step.reason}`);
          }
        }
        if (round.kind === "lost") throw round.error;
        seen = await coordination.watch(seen, LOOK_MS);
      }),
      this.#loop("placing shards", async () => {
        const view = await coordination.read();
        const moves = await this.#fulfil(view);
        await coordination.watch(view.revision, moves ? LOOK_MOVING_MS : LOOK_MS);
      }),
    ];
  }

  /** Ends the loops, and the lease: what this host owns is restored by others. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#pauses.endAll();
    // A restore or a busy node may take minutes: the others need not wait for these shards.
    const ended = Promise.allSettled([...this.#loops, ...this.#busy.values()]);
    await Promise.race([ended, this.#pauses.pause(STOP_MS)]);
    this.#pauses.endAll();
    await this.#options.coordination.leave(this.#run).catch(() => {});
  }

  async #loop(subject: string, work: () => Promise<void>): Promise<void> {
    let logged = "";
    while (!this.#stopped) {
      try {
        await work();
        logged = "";
      } catch (error) {
        if (error instanceof HostGoneError) {
          if (this.#stopped) return;
          this.#stopped = true;
          return this.#options.onGone(error);
        }
        const reason = reasonOf(error);
        if (reason !== logged) this.#telemetry.log("warn", `${subject} failed`, { reason });
        logged = reason;
        await this.#pauses.pause(LOOK_MS);
      }
    }
  }

  #sizes(): Promise<Record<string, number>> {
    const budgetMs = Math.min(this.#options.ttlMs / RENEWALS_PER_LEASE / 2, BUDGET.budgetMs);
    return shardSizes(this.#options.mesh, [...this.#rows.keys()], budgetMs);
  }

  #shard(shard: number) {
    return this.#options.mesh.actorRef<EmbeddingShardMessage>(addresses.embeddingShard(shard));
  }

  // ---- duties

  /** Makes the next step for each shard; whether a shard of this host is being moved. */
  async #fulfil(view: MeshView): Promise<boolean> {
    await this.#placeOwners(view);
    const duties = dutiesOf(view, this.#run);
    let moves = false;
    for (let shard = 0; shard < view.identity.shards; shard++) {
      const duty = duties.get(`shard/${shard}`);
      moves ||= duty?.kind === "give" || duty?.kind === "learn";
      if (this.#busy.has(shard)) continue;
      const task = this.#fulfilOne(shard, duty).catch((error) =>
        this.#telemetry.log("warn", `placing shard ${shard} failed and is tried again`, {
          reason: reasonOf(error),
        })
      ).finally(() => this.#busy.delete(shard));
      this.#busy.set(shard, task);
    }
    return moves;
  }

  /** Messages go to the owners, once they have the rows. */
  async #placeOwners(view: MeshView): Promise<void> {
    const { mesh, nodeOf } = this.#options;
    const changed: [ReturnType<typeof addresses.embeddingShard>, string][] = [];
    for (let shard = 0; shard < view.identity.shards; shard++) {
      const placement = present(view.placements.get(`shard/${shard}`), "every shard is placed");
      if (placement.state === "unassigned") continue;
      const node = nodeOf(placement.owner.host, shard);
      if (this.#placed.get(shard) === node) continue;
      this.#placed.set(shard, node);
      changed.push([addresses.embeddingShard(shard), node]);
    }
    if (changed.length > 0) await mesh.place(changed);
  }

  async #fulfilOne(shard: number, duty: HostDuty | undefined): Promise<void> {
    if (duty?.kind !== "learn") this.#failed.delete(shard);
    if (duty?.kind === "give") await this.#reportFrozen(shard, duty);
    if (duty?.kind === "own") await this.#findFrozen(shard, duty.placement.epoch);
    const step = hostStep(duty, this.#holding(shard), GENERATION);
    if (step.kind !== "nothing") return await this.#make(shard, step);
    const copy = this.#copies.get(shard);
    const { verifiedAtMs } = copy ?? {};
    if (duty?.kind !== "learn" || duty.phase !== "filling" || verifiedAtMs === undefined) return;
    const waitedMs = this.#options.mesh.home.clock.monotonicMs() - verifiedAtMs;
    if (waitedMs > UNCONFIRMED_MS) await this.#make(shard, { kind: "drop" });
  }

  #holding(shard: number): Holding | undefined {
    const rows = this.#rows.get(shard);
    if (rows !== undefined) return { kind: "rows", generation: GENERATION, ...rows };
    const copy = this.#copies.get(shard);
    if (copy === undefined) return undefined;
    const { epoch, verifiedAtMs } = copy;
    return { kind: "copy", epoch, generation: GENERATION, verified: verifiedAtMs !== undefined };
  }

  async #make(shard: number, step: Exclude<HostStep, { kind: "nothing" }>): Promise<void> {
    switch (step.kind) {
      case "drop":
        return await this.#drop(shard);
      case "restore":
        await this.#drop(shard);
        await this.#makeShard(shard, step.epoch);
        return;
      case "reportActive":
        return await this.#report(shard, step.placement, { state: "active", owner: this.#run });
      case "reportVerified": {
        const { placement } = step;
        if (placement.state !== "moving") return;
        return await this.#report(shard, placement, { ...placement, phase: "verified" });
      }
      case "endGiving": {
        const rows = present(this.#rows.get(shard), "an owner that gives has rows");
        await this.#shard(shard).ask({ kind: "abandonCopy" }, BUDGET);
        rows.givesTo = undefined;
        return;
      }
      case "startCopy":
        if (this.#options.mesh.home.clock.monotonicMs() < (this.#failed.get(shard)?.untilMs ?? 0)) {
          return;
        }
        return await this.#copy(shard, step.placement.epoch);
      case "promote": {
        await this.#makeShard(shard, step.epoch);
        this.#copies.delete(shard);
        await this.#options.mesh.end(copyAddress(shard), 0);
        return;
      }
      case "rejoin":
        this.#stopped = true;
        return this.#options.onGone(new Error(`shard ${shard} is to be here, but ${step.reason}`));
    }
  }

  async #makeShard(shard: number, epoch: number): Promise<void> {
    const { mesh, shard: options, nodeOf } = this.#options;
    const node = nodeOf(this.#run.host, shard);
    const shardOptions: EmbeddingShardOptions = { ...options, shard, tenure: epoch };
    await mesh.spawn({ kind: "embedding_shard", key: String(shard), node, options: shardOptions });
    this.#rows.set(shard, { epoch, givesTo: undefined, isFrozenAlone: false });
  }

  async #drop(shard: number): Promise<void> {
    const { mesh } = this.#options;
    if (this.#copies.delete(shard)) await mesh.end(copyAddress(shard), 0);
    const rows = this.#rows.get(shard);
    if (rows === undefined) return;
    // The asks that wait are repeated once they fail: the others should know the new owner then.
    if (rows.givesTo !== undefined) await this.#pauses.pause(HANDOVER_MS);
    await mesh.end(addresses.embeddingShard(shard), 0, true);
    this.#rows.delete(shard);
  }

  async #report(
    shard: number,
    expected: Placement,
    next: Parameters<Coordination["place"]>[0]["changes"][number]["next"],
  ): Promise<void> {
    const key: PlacedKey = `shard/${shard}`;
    try {
      await this.#options.coordination.place({
        by: this.#run,
        changes: [{ key, expected, next }],
      });
    } catch (error) {
      if (!(error instanceof PlacementConflictError)) throw error;
    }
  }

  // ---- moves

  /** Notes the copy that reads the shard, and tells the store that the shard is frozen for it. */
  async #reportFrozen(shard: number, duty: HostDuty & { kind: "give" }): Promise<void> {
    const rows = this.#rows.get(shard);
    if (rows === undefined || rows.epoch !== duty.placement.epoch) return;
    // Before the copy begins, and after a crash, too: an aborted move is then ended in any case.
    rows.givesTo = duty.target;
    const giving = await this.#shard(shard).ask({ kind: "getGiving" }, BUDGET);
    const { placement } = duty;
    if (!giving?.isFrozen || placement.state !== "moving" || placement.phase !== "filling") return;
    await this.#report(shard, placement, { ...placement, phase: "frozen" });
  }

  /**
   * Finds an owner that was frozen for a move of which this host saw nothing. It goes on only after
   * a second look: the first one may be older than the move.
   */
  async #findFrozen(shard: number, epoch: number): Promise<void> {
    const rows = this.#rows.get(shard);
    if (rows === undefined || rows.epoch !== epoch || rows.givesTo !== undefined) return;
    const giving = await this.#shard(shard).ask({ kind: "getGiving" }, BUDGET);
    if (rows.isFrozenAlone && giving?.isFrozen) rows.givesTo = { host: "", incarnation: "" };
    rows.isFrozenAlone = giving?.isFrozen ?? false;
  }

  /** Begins a copy, and follows it in the background. */
  async #copy(shard: number, epoch: number): Promise<void> {
    const { mesh, shard: { tables }, nodeOf } = this.#options;
    const node = nodeOf(this.#run.host, shard);
    const options: ShardCopyActorOptions = {
      shard,
      owner: addresses.embeddingShard(shard),
      copy: mesh.home.random.uuid("move"),
      rowsMax: COPY_ROWS_MAX,
      followIntervalMs: LOOK_MOVING_MS,
      budgetMs: BUDGET.budgetMs,
      tables,
    };
    await mesh.spawn({ kind: "shard_copy", key: String(shard), node, options });
    await mesh.place([[copyAddress(shard), node]]);
    const copy: Copy = { epoch, verifiedAtMs: undefined };
    this.#copies.set(shard, copy);
    this.#follow(shard, copy).catch(async (error) => {
      const pauseMs = this.#pauseAfterFailure(shard);
      this.#telemetry.log("warn", `the copy of shard ${shard} failed and begins anew`, {
        reason: reasonOf(error),
        pauseMs,
      });
      if (this.#copies.get(shard) !== copy) return;
      this.#copies.delete(shard);
      await mesh.end(copyAddress(shard), 0).catch(() => {});
    });
  }

  /** Notes a failed copy; the pause before the next one, ms. */
  #pauseAfterFailure(shard: number): number {
    const { count } = this.#failed.get(shard) ?? { count: 0 };
    const pauseMs = Math.min(COPY_PAUSE_MS.first * 2 ** count, COPY_PAUSE_MS.max);
    const untilMs = this.#options.mesh.home.clock.monotonicMs() + pauseMs;
    this.#failed.set(shard, { count: count + 1, untilMs });
    return pauseMs;
  }

  async #follow(shard: number, copy: Copy): Promise<void> {
    const { mesh } = this.#options;
    const actor = mesh.actorRef<ShardCopyMessage>(copyAddress(shard));
    while (this.#copies.get(shard) === copy && !this.#stopped) {
      const { state, behindRows, reason } = await actor.ask({ kind: "getCopyProgress" }, BUDGET);
      if (state === "failed") throw new Error(reason);
      if (state === "following" && behindRows <= BEHIND_ROWS_MAX) {
        await actor.ask({ kind: "verifyCopy" }, { budgetMs: 4 * BUDGET.budgetMs });
        copy.verifiedAtMs = mesh.home.clock.monotonicMs();
        this.#failed.delete(shard);
        return;
      }
      await this.#pauses.pause(LOOK_MOVING_MS);
    }
  }
}

function copyAddress(shard: number): `shard_copy/${number}` {
  return `shard_copy/${shard}`;
}
