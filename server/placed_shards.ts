/**
 * A host's shards: makes, copies and ends the shards that the coordination store gives to this
 * host. The steps are decided in mesh/placement; here they are carried out.
 */
import type { EmbeddingShardOptions } from "../actors/embedding_shard/options.ts";
import type { ShardsOptions } from "./host_sharding.ts";
import type { EmbeddingShardMessage } from "../actors/embedding_shard/protocol.ts";
import type { GivingState, ShardCopyMessage } from "../actors/embedding_shard/copy_protocol.ts";
import type { ShardCopyActorOptions } from "../actors/embedding_shard/shard_copy.ts";
import {
  type Coordination,
  type HostRun,
  isSameRun,
  type MeshView,
  type PlacedKey,
  type Placement,
  type PlacementChange,
} from "../mesh/ports/coordination.ts";
import { RowsMissingError } from "../mesh/ports/coordination_errors.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import {
  dutiesOf,
  FROZEN_MS_MAX,
  type Holding,
  type HostDuty,
  type HostStep,
  hostStep,
  isSameDuty,
} from "../mesh/placement/host_duties.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import type { Mesh } from "../mesh/runtime/mesh.ts";
import type { OwnBlobs } from "../records/own_blobs.ts";
import { present } from "../structures/invariant.ts";
import { Backoffs, startPauseMs } from "./backoffs.ts";
import type { Pauses } from "./pauses.ts";
import { reportPlacement } from "./report_placement.ts";
import type { Copy, Rows, Step } from "./shard_steps.ts";
import type { UnplacedParts } from "./unplaced_parts.ts";
import { verifyCopy } from "./verify_copy.ts";
import { addresses } from "./addresses.ts";

export interface PlacedShardsOptions {
  readonly mesh: Mesh;
  readonly coordination: Coordination;
  readonly run: HostRun;
  /** The shards of the sharding that this host follows. */
  readonly shards: () => ShardsOptions;
  /** The blob store from which the shards begin; default: any. */
  readonly ownBlobsOf?: ((view: MeshView) => OwnBlobs) | undefined;
  /** The node of a shard on this host. */
  readonly nodeOf: (shard: number) => string;
  readonly pauses: Pauses;
  readonly unplaced: UnplacedParts;
  /** This host is to own a shard whose rows it does not have: the process must stop. */
  readonly onRejoin: (error: RowsMissingError) => void;
  /** A step is due at once: the owner of a verified copy stands still, or a duty has changed. */
  readonly onDue: () => void;
}

const COPY_ROWS_MAX = 4_096;
/** Time between two changes of an owner that a copy takes, ms. */
const FOLLOW_MS = 20;
/** Time after which a verified copy is void if its owner does not say that it is frozen, ms. */
const UNCONFIRMED_MS = 3_000;
/** Pause before a host asks again to become the owner of a copy that it has verified, ms. */
const TAKEOVER_RETRY_MS = 20;
/** Pause before a shard that has crashed is asked again to tell of its freeze, ms. */
const AWAIT_RETRY_MS = 20;
/** Pauses before a copy that has failed begins anew, ms. */
const copyPauseMs = { first: 500, max: 30_000 };
/** Time in which the others learn of a move before the old owner's messages fail, ms. */
const HANDOVER_MS = 20;
const BUDGET = { budgetMs: 5_000 };

type GiveDuty = HostDuty & { readonly kind: "give" };

export class PlacedShards {
  readonly #options: PlacedShardsOptions;
  readonly #run: HostRun;
  readonly #telemetry: Telemetry;
  readonly #pauses: Pauses;
  readonly #rows = new Map<number, Rows>();
  readonly #copies = new Map<number, Copy>();
  /** The copy for which an owner is frozen. */
  #freezing: Copy | undefined;
  /** The starts and the copies that fail, by shard. */
  readonly #starts: Backoffs<number>;
  readonly #copying: Backoffs<number>;
  /** Steps under way, and the duties that they serve; looks leave their shards alone. */
  readonly #busy = new Map<number, Step>();
  /** The blob store from which shards begin, as of the last look. */
  #ownBlobs: OwnBlobs | undefined;
  #stopped = false;

  constructor(options: PlacedShardsOptions) {
    this.#options = options;
    this.#run = options.run;
    this.#telemetry = options.mesh.home.telemetry;
    this.#pauses = options.pauses;
    const { clock } = options.mesh.home;
    this.#starts = new Backoffs(clock, startPauseMs);
    this.#copying = new Backoffs(clock, copyPauseMs);
  }

  /** The shards whose rows are here, and the addresses of their actors. */
  get held(): ReadonlyMap<number, Address> {
    return new Map(
      [...this.#rows].map((
        [shard, { sharding }],
      ) => [shard, addresses.embeddingShard(shard, sharding)]),
    );
  }

  /** Begins no further step; resolves when the steps under way are done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled(Array.from(this.#busy.values(), ({ task }) => task));
  }

  get #nowMs(): number {
    return this.#options.mesh.home.clock.monotonicMs();
  }

  #shard(shard: number, { sharding }: Rows) {
    return this.#options.mesh
      .actorRef<EmbeddingShardMessage>(addresses.embeddingShard(shard, sharding));
  }

  /** Makes the next step for each shard. */
  fulfil(view: MeshView): void {
    this.#ownBlobs = this.#options.ownBlobsOf?.(view);
    const duties = dutiesOf(view, this.#run);
    const { sharding, shards: count } = view.identity;
    // Rows of another sharding go first: their epochs have ended.
    const numbers = new Set([...Array(count).keys(), ...this.#rows.keys(), ...this.#copies.keys()]);
    for (const shard of numbers) {
      const key: PlacedKey = `shard/${shard}`;
      const rows = this.#rows.get(shard);
      const { epoch = 0 } = view.placements.get(key) ?? {};
      // This host took the shard over after the view was read: an older duty would drop its rows.
      const isOlder = rows !== undefined && rows.sharding === sharding && epoch < rows.epoch;
      if (!isOlder) this.#look(shard, duties.get(key), sharding);
    }
  }

  /** Makes the next step for a shard, unless one is under way. */
  #look(shard: number, duty: HostDuty | undefined, sharding: number): void {
    const underway = this.#busy.get(shard);
    if (underway !== undefined) underway.isOutdated ||= !isSameDuty(underway.duty, duty);
    else this.#begin(shard, duty, sharding);
  }

  #begin(shard: number, duty: HostDuty | undefined, sharding: number): void {
    const { unplaced } = this.#options;
    const address = addresses.embeddingShard(shard, sharding);
    const isMade = this.#rows.has(shard);
    if (duty?.kind === "restore" && !isMade && this.#starts.isPausing(shard)) return;
    const task = this.#fulfilOne(shard, duty, sharding).then(
      () => unplaced.succeeded(address),
      (error) => unplaced.failed(address, error),
    ).finally(() => {
      this.#busy.delete(shard);
      if (step.isOutdated) this.#options.onDue();
    });
    const step: Step = { duty, task, isOutdated: false };
    this.#busy.set(shard, step);
  }

  async #fulfilOne(
    shard: number,
    duty: HostDuty | undefined,
    sharding: number,
  ): Promise<void> {
    if (duty?.kind !== "learn") this.#copying.end(shard);
    if (duty?.kind !== "restore") this.#starts.end(shard);
    if (duty?.kind === "give") await this.#reportFrozen(shard, duty);
    if (duty?.kind === "own") await this.#findForgotten(shard, duty.placement.epoch);
    if (duty?.kind === "restore") return await this.#restore(shard, duty, sharding);
    const step = hostStep(duty, this.#holding(shard));
    if (step.kind !== "nothing") return await this.#make(shard, step, sharding);
    const copy = this.#copies.get(shard);
    const { verifiedAtMs } = copy ?? {};
    if (duty?.kind !== "learn" || duty.phase !== "filling" || verifiedAtMs === undefined) return;
    const waitedMs = this.#nowMs - verifiedAtMs;
    if (waitedMs > UNCONFIRMED_MS) await this.#drop(shard);
  }

  /** Makes all steps of a restore, for which trainers wait. */
  async #restore(shard: number, duty: HostDuty, sharding: number): Promise<void> {
    for (const kind of ["drop", "restore", "reportActive"] as const) {
      const step = hostStep(duty, this.#holding(shard));
      if (step.kind !== kind) continue;
      if (kind === "restore") await this.#othersFreed(sharding);
      await this.#make(shard, step, sharding);
    }
  }

  /** Resolves when the rows of other shardings are freed, so that there is room for these. */
  async #othersFreed(sharding: number): Promise<void> {
    await Promise.resolve(); // the tasks of all shards have begun
    const others = [...this.#rows].filter(([, rows]) => rows.sharding !== sharding);
    await Promise.allSettled(others.map(([shard]) => this.#busy.get(shard)?.task));
  }

  #holding(shard: number): Holding | undefined {
    const rows = this.#rows.get(shard);
    if (rows !== undefined) {
      const { epoch, givesTo, frozenSinceMs } = rows;
      const frozenForMs = frozenSinceMs === undefined ? 0 : this.#nowMs - frozenSinceMs;
      return { kind: "rows", epoch, givesTo, frozenForMs };
    }
    const copy = this.#copies.get(shard);
    if (copy === undefined) return undefined;
    const { epoch, verifiedAtMs } = copy;
    return { kind: "copy", epoch, verified: verifiedAtMs !== undefined };
  }

  async #make(
    shard: number,
    step: Exclude<HostStep, { kind: "nothing" }>,
    sharding: number,
  ): Promise<void> {
    const next = { state: "active", owner: this.#run } as const;
    switch (step.kind) {
      case "drop":
        await this.#drop(shard);
        return this.#options.onDue();
      case "restore":
        await this.#drop(shard);
        return await this.#starts.during(
          shard,
          () => this.#makeShard(shard, step.epoch, sharding),
        );
      case "reportActive":
        await this.#report(shard, { expected: step.placement, next });
        return;
      case "takeOver":
        // It is promoted by the next look, whose view has the new epoch.
        return void await this.#takeOver(shard, step.placement);
      case "abortMove": {
        const reason = `it was frozen for more than ${FROZEN_MS_MAX} ms`;
        const aborted = await this.#report(shard, { expected: step.placement, next, reason });
        if (aborted === undefined) return;
        this.#telemetry.log("info", `the move of shard ${shard} ends: ${reason}`);
        return await this.#endGiving(shard);
      }
      case "endGiving":
        return await this.#endGiving(shard);
      case "startCopy":
        if (this.#copying.isPausing(shard)) return;
        return await this.#copy(shard, step.placement, sharding);
      case "promote": {
        await this.#makeShard(shard, step.epoch, sharding);
        this.#copies.delete(shard);
        await this.#options.mesh.end(copyAddress(shard), 0);
        return;
      }
      case "rejoin":
        return this.#options.onRejoin(new RowsMissingError(shard, step.epoch));
    }
  }

  async #endGiving(shard: number): Promise<void> {
    const rows = present(this.#rows.get(shard), "an owner that gives has rows");
    await this.#shard(shard, rows).ask({ kind: "abandonCopy" }, BUDGET);
    rows.givesTo = rows.frozenSinceMs = undefined;
  }

  async #makeShard(shard: number, epoch: number, sharding: number): Promise<void> {
    const { mesh, nodeOf } = this.#options;
    const current = this.#options.shards();
    if (current.sharding !== sharding) return; // the next look finds another duty
    const node = nodeOf(shard);
    const options: EmbeddingShardOptions = {
      ...current.shard,
      shard,
      tenure: epoch,
      ...(this.#ownBlobs && { ownBlobs: this.#ownBlobs }),
    };
    const [kind, key] = addresses.embeddingShard(shard, sharding).split("/");
    await mesh.spawn({ kind, key, node, options });
    this.#rows.set(shard, {
      epoch,
      sharding,
      givesTo: undefined,
      frozenSinceMs: undefined,
      awaitsFreeze: false,
      unaskedCopy: undefined,
    });
  }

  async #drop(shard: number): Promise<void> {
    const { mesh } = this.#options;
    if (this.#copies.delete(shard)) await mesh.end(copyAddress(shard), 0);
    const rows = this.#rows.get(shard);
    if (rows === undefined) return;
    // The asks that wait are repeated once they fail: the others should know the new owner then.
    if (rows.givesTo !== undefined) await this.#pauses.pause(HANDOVER_MS);
    await mesh.end(addresses.embeddingShard(shard, rows.sharding), 0, true);
    this.#rows.delete(shard);
  }

  /** The placement that the store has made; undefined where it was another one. */
  #report(
    shard: number,
    change: Omit<PlacementChange, "key">,
  ): Promise<Placement | undefined> {
    const { coordination } = this.#options;
    return reportPlacement(coordination, this.#run, { key: `shard/${shard}`, ...change });
  }

  /** Notes the copy that reads the shard, and tells the store that the shard is frozen for it. */
  async #reportFrozen(shard: number, duty: GiveDuty): Promise<void> {
    const rows = this.#rows.get(shard);
    if (rows === undefined || rows.epoch !== duty.placement.epoch) return;
    // Before the copy begins, and after a crash, too: an aborted move is then ended in any case.
    const { givesTo } = rows;
    if (givesTo === undefined || !isSameRun(givesTo, duty.target)) rows.givesTo = duty.target;
    if (rows.awaitsFreeze) return;
    const giving = await this.#shard(shard, rows).ask({ kind: "getGiving" }, BUDGET);
    if (giving?.isFrozen) await this.#frozen(shard, rows, duty, giving);
    else {
      rows.frozenSinceMs = undefined;
      void this.#awaitFreeze(shard, rows, duty);
    }
  }

  /** Has the shard tell of its freeze: a frozen owner stands still until the store knows. */
  async #awaitFreeze(shard: number, rows: Rows, duty: GiveDuty): Promise<void> {
    rows.awaitsFreeze = true;
    const { givesTo } = rows;
    const isTold = await this.#shard(shard, rows).ask({ kind: "awaitFreeze" }, BUDGET).then(
      (giving) => {
        const isPresent = this.#rows.get(shard) === rows && rows.givesTo === givesTo;
        return isPresent && giving?.isFrozen && this.#frozen(shard, rows, duty, giving);
      },
    ).catch(() => this.#pauses.pause(AWAIT_RETRY_MS));
    rows.awaitsFreeze = false;
    if (isTold !== true) this.#options.onDue();
  }

  /**
   * Tells the store that the shard is frozen, and then the copy, by the shard; false where the move
   * is another one by now.
   */
  async #frozen(
    shard: number,
    rows: Rows,
    { placement }: GiveDuty,
    { copy, frozenForMs }: GivingState,
  ): Promise<boolean> {
    if (rows.frozenSinceMs === undefined) {
      rows.frozenSinceMs = this.#nowMs - frozenForMs;
      // One ms more: a timer may be early.
      void this.#pauses.pause(FROZEN_MS_MAX - frozenForMs + 1).then(this.#options.onDue);
    }
    if (placement.state === "moving" && placement.phase === "filling") {
      const next = { ...placement, phase: "frozen" } as const;
      if (await this.#report(shard, { expected: placement, next }) === undefined) return false;
    }
    this.#shard(shard, rows).tell({ kind: "freezeReported", copy });
    return true;
  }

  /**
   * Finds an owner that is copied, or frozen, for a move that the store does not know: one of which
   * this host saw nothing, or one of the owner before, whose copy began anew here. The copy ends
   * only after a second look: the first one may be older than the move.
   */
  async #findForgotten(shard: number, epoch: number): Promise<void> {
    const rows = this.#rows.get(shard);
    if (rows === undefined || rows.epoch !== epoch || rows.givesTo !== undefined) return;
    const giving = await this.#shard(shard, rows).ask({ kind: "getGiving" }, BUDGET);
    const { copy } = giving ?? {};
    if (copy !== undefined && copy === rows.unaskedCopy) {
      await this.#shard(shard, rows).ask({ kind: "abandonCopy", copy }, BUDGET);
    }
    rows.unaskedCopy = copy;
  }

  /** Begins a copy, and follows it in the background. */
  async #copy(shard: number, placement: Placement, sharding: number): Promise<void> {
    const { mesh, nodeOf } = this.#options;
    const { shard: { tables } } = this.#options.shards();
    const node = nodeOf(shard);
    const options: ShardCopyActorOptions = {
      shard,
      owner: addresses.embeddingShard(shard, sharding),
      copy: mesh.home.random.uuid("move"),
      rowsMax: COPY_ROWS_MAX,
      followIntervalMs: FOLLOW_MS,
      budgetMs: BUDGET.budgetMs,
      tables,
    };
    await mesh.spawn({ kind: "shard_copy", key: String(shard), node, options });
    await mesh.place([[copyAddress(shard), node]]);
    const copy: Copy = { epoch: placement.epoch, verifiedAtMs: undefined };
    this.#copies.set(shard, copy);
    this.#follow(shard, copy, placement, sharding).catch(async (error) => {
      const pauseMs = this.#copying.failed(shard);
      this.#telemetry.log("warn", `the copy of shard ${shard} failed and begins anew`, {
        reason: reasonOf(error),
        pauseMs,
      });
      if (this.#copies.get(shard) !== copy) return;
      this.#copies.delete(shard);
      await mesh.end(copyAddress(shard), 0).catch(() => {});
      await this.#pauses.pause(pauseMs);
      this.#options.onDue();
    });
  }

  async #follow(
    shard: number,
    copy: Copy,
    placement: Placement,
    sharding: number,
  ): Promise<void> {
    const { mesh } = this.#options;
    const actor = mesh.actorRef<ShardCopyMessage>(copyAddress(shard));
    const isWanted = () => this.#copies.get(shard) === copy && !this.#stopped;
    const beginFreeze = () => (this.#freezing ??= copy) === copy;
    const wait = { clock: mesh.home.clock, pauses: this.#pauses, isWanted, beginFreeze, ...BUDGET };
    try {
      if (!await verifyCopy(actor, wait)) return;
      copy.verifiedAtMs = this.#nowMs;
      this.#copying.end(shard);
      // The store knows that the owner is frozen: no look need find that out, nor that this host is
      // the owner then.
      const frozen = { ...placement, phase: "frozen" } as const;
      while (isWanted()) {
        const taken = await this.#takeOver(shard, frozen).catch(() => undefined);
        if (taken !== undefined) {
          this.#look(shard, { kind: "own", placement: taken }, sharding);
          await this.#busy.get(shard)?.task;
          return;
        }
        // The owner has crashed as it was frozen: its host tells the store a little later.
        await this.#pauses.pause(TAKEOVER_RETRY_MS);
      }
    } finally {
      if (this.#freezing === copy) this.#freezing = undefined;
    }
  }

  async #takeOver(shard: number, expected: Placement): Promise<Placement | undefined> {
    const next = { state: "active", owner: this.#run } as const;
    const reason = `${this.#run.host} has verified its copy`;
    return await this.#report(shard, { expected, next, reason });
  }
}

function copyAddress(shard: number): `shard_copy/${number}` {
  return `shard_copy/${shard}`;
}
