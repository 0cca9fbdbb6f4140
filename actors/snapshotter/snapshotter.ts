/**
 * The snapshotter's behaviour: it has the trainers cut, collects the parts and writes the manifest,
 * in which each part follows the chain of the snapshot before. Then it deletes older snapshots, and
 * trims the part of the example log that no restart would read.
 *
 * If the example log is full, it takes a snapshot immediately: the log can be trimmed only up to
 * the oldest retained snapshot. Scheduled snapshots are spread over `spreadMs`; an explicit request
 * cancels a running one and writes at full speed.
 *
 * Without snapshots it only trims the examples behind the trainers. A trainer that crashes then
 * begins a new dense model with the remaining examples, and the shards keep their rows.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { SnapshotFailure } from "../../mesh/ports/snapshot_failure.ts";
import type { Counter, Gauge } from "../../mesh/ports/telemetry.ts";
import type { EmbeddingShardMessage } from "../embedding_shard/protocol.ts";
import type { TrainerMessage } from "../trainer/protocol.ts";
import type { SnapshotterOptions } from "./options.ts";
import type { SnapshotPublication, SnapshotPublisher } from "./publisher.ts";
import {
  claimName,
  FORMAT,
  keepSnapshots,
  manifestName,
  missingBlob,
  newestName,
  partsOf,
  readManifests,
  releaseName,
  sequenceOf,
  snapshotBytes,
  type SnapshotManifest,
  snapshotName,
  writeManifest,
} from "../../records/snapshot_manifest.ts";
import { cutOf } from "../../records/snapshot_parts.ts";
import { invariant } from "../../structures/invariant.ts";
import { inChain, snapshotBase } from "./chains.ts";
import { ExampleTrimmer } from "./example_trimmer.ts";
import type { SnapshotterMessage } from "./protocol.ts";

export interface SnapshotterDependencies {
  readonly blobs: BlobStore;
  readonly exampleLog: EventLog;
  /** Absent where no other process can use the logs: its end is the end of every snapshot. */
  readonly publisher?: SnapshotPublisher;
  /** Takes the outcome of each attempt; undefined = it succeeded. Default: nothing does. */
  readonly onOutcome?: (failure: SnapshotFailure | undefined) => void;
}

/** Interval of the check whether the example log is full, ms. */
const FULL_CHECK_MS = 5_000;

export class Snapshotter implements Behavior<SnapshotterMessage> {
  readonly #context: ActorContext<SnapshotterMessage>;
  readonly #options: SnapshotterOptions;
  readonly #stores: SnapshotterDependencies;
  readonly #trimmer: ExampleTrimmer;
  readonly #snapshots: Counter;
  readonly #bytes: Gauge;
  readonly #takenAt: Gauge;
  /** Newest first. */
  #retained: readonly SnapshotManifest[];
  #dueAtMs: number;
  /** Name of the snapshot that was begun last. */
  #lastName: string | undefined;
  /**
   * The scheduled snapshot that is being written; `ended` resolves when it is taken or has failed.
   */
  #spreadUnderWay: { readonly name: string; readonly ended: Promise<void> } | undefined;
  /** Whether an explicit request is cancelling the scheduled snapshot. */
  #cancelling = false;
  /** Whether the last snapshot failed. The next one is not spread, since changes may outrun it. */
  #failedLast = false;
  #isLeased = true;
  #taken = 0;
  #failed = 0;

  private constructor(
    context: ActorContext<SnapshotterMessage>,
    options: SnapshotterOptions,
    stores: SnapshotterDependencies,
    retained: readonly SnapshotManifest[],
    lastName: string | undefined,
  ) {
    this.#context = context;
    this.#options = options;
    this.#stores = stores;
    this.#trimmer = new ExampleTrimmer(stores.exampleLog);
    this.#retained = retained;
    this.#lastName = lastName;
    this.#dueAtMs = context.clock.monotonicMs() + this.#untilDueMs();
    this.#snapshots = context.telemetry.counter("cairn_snapshots_total", {
      help: "Snapshots, by outcome.",
      labelNames: ["outcome"],
    });
    this.#bytes = context.telemetry.gauge("cairn_snapshot_bytes", {
      help: "Size of the newest snapshot.",
    });
    this.#takenAt = context.telemetry.gauge("cairn_snapshot_timestamp_seconds", {
      help: "Unix time of the newest snapshot.",
    });
    if (this.#newest !== undefined) this.#measure(this.#newest);
    this.#wakeLater();
  }

  static async start(
    context: ActorContext<SnapshotterMessage>,
    options: SnapshotterOptions,
    stores: SnapshotterDependencies,
  ): Promise<Snapshotter> {
    const manifests = await readManifests(stores.blobs, (cause) => {
      context.telemetry.log("warn", "an older snapshot is damaged and will be deleted", { cause });
    });
    return new Snapshotter(context, options, stores, manifests, await newestName(stores.blobs));
  }

  async receive(message: SnapshotterMessage): Promise<void> {
    switch (message.kind) {
      case "wake":
        if (this.#isLeased) await this.#takeWhenDue();
        return this.#wakeLater();
      case "takeSnapshot": {
        try {
          await this.#cancelSpread();
          const name = await this.#take(this.#nextName(), 0);
          return this.#context.reply(message, name === undefined ? {} : { name });
        } catch (error) {
          this.#report(error);
          return this.#context.replyError(message, error as Error);
        }
      }
      case "setLeased":
        this.#isLeased = message.isLeased;
        return;
      case "getStatus":
        return this.#context.reply(message, {
          taken: this.#taken,
          failed: this.#failed,
          sequence: this.#newest === undefined ? 0 : sequenceOf(this.#newest),
          bytes: this.#newest === undefined ? 0 : snapshotBytes(this.#newest),
          ...(this.#newest === undefined ? {} : { name: this.#newest.name }),
        });
      default:
        message satisfies never;
    }
  }

  stop(): void {
    if (this.#spreadUnderWay !== undefined) this.#abandon(this.#spreadUnderWay.name);
  }

  async #takeWhenDue(): Promise<void> {
    const { clock } = this.#context;
    const full = this.#exampleLogFull;
    const due = this.#spreadUnderWay === undefined && clock.monotonicMs() >= this.#dueAtMs;
    if (!full && !due) return;
    const spreadMs = full || this.#failedLast ? 0 : this.#options.spreadMs;
    if (spreadMs > 0) this.#takeSpread(spreadMs);
    else {
      await this.#cancelSpread();
      await this.#take(this.#nextName(), 0).catch((error) => this.#report(error));
    }
    this.#dueAtMs = clock.monotonicMs() + this.#options.intervalMs;
  }

  /** Does not wait for the end, so that explicit requests are answered meanwhile. */
  #takeSpread(spreadMs: number): void {
    const name = this.#nextName();
    const ended = this.#take(name, spreadMs).then(() => {}, (error) => {
      this.#abandon(name);
      if (!this.#cancelling) this.#report(error);
    }).finally(() => this.#spreadUnderWay = undefined);
    this.#spreadUnderWay = { name, ended };
  }

  /** Cancels the scheduled snapshot, if one is being written. */
  async #cancelSpread(): Promise<void> {
    if (this.#spreadUnderWay === undefined) return;
    const { name, ended } = this.#spreadUnderWay;
    this.#cancelling = true;
    this.#abandon(name);
    await ended;
    this.#cancelling = false;
  }

  #abandon(snapshot: string): void {
    for (const shard of this.#options.shards) {
      const ref = this.#context.actorRef<EmbeddingShardMessage>(shard);
      ref.tell({ kind: "abandonSnapshot", snapshot });
    }
  }

  /** A new name: chunks of a cancelled snapshot may still be written under the last one. */
  #nextName(): string {
    return this.#lastName = snapshotName(this.#context.clock.nowMs(), this.#lastName);
  }

  /**
   * Time to the first snapshot: an interval after the newest one, which another snapshotter may
   * have taken, by a clock that differs.
   */
  #untilDueMs(): number {
    const { intervalMs } = this.#options;
    const nowMs = this.#context.clock.nowMs();
    const ageMs = nowMs - (this.#newest?.atMs ?? nowMs);
    return Math.min(Math.max(0, intervalMs - ageMs), intervalMs);
  }

  #wakeLater(): void {
    const dueInMs = this.#dueAtMs - this.#context.clock.monotonicMs();
    const checkMs = Math.min(FULL_CHECK_MS, this.#options.intervalMs);
    // Already due at a start long after the newest snapshot, when trainers and shards start too,
    // and where the scheduled snapshot takes longer than the interval.
    this.#context.schedule(dueInMs > 0 ? Math.min(dueInMs, checkMs) : checkMs, { kind: "wake" });
  }

  get #newest(): SnapshotManifest | undefined {
    return this.#retained[0];
  }

  get #exampleLogFull(): boolean {
    return this.#stores.exampleLog.refusal() !== undefined;
  }

  #measure(newest: SnapshotManifest): void {
    this.#bytes.set(snapshotBytes(newest));
    this.#takenAt.set(newest.atMs / 1000);
  }

  /** A failed snapshot costs only a longer replay. The next one is tried after the interval. */
  #report(error: unknown): void {
    if (this.#options.snapshotsRetained === 0) return; // only a trim failed, which is retried
    this.#failed++;
    this.#failedLast = true;
    this.#snapshots.add(1, { outcome: "failed" });
    const { atMs } = this.#newest ?? {};
    const reason = error instanceof Error ? error.message : String(error);
    this.#stores.onOutcome?.({ reason, ...(atMs !== undefined && { newestAtMs: atMs }) });
    this.#context.telemetry.log("warn", "a snapshot failed; the last one remains valid", {
      cause: error,
    });
  }

  /** Resolves with the snapshot's name; without one where nothing was learned since the last. */
  async #take(name: string, spreadMs: number): Promise<string | undefined> {
    const taken = await this.#make(name, spreadMs);
    this.#stores.onOutcome?.(undefined);
    return taken;
  }

  async #make(name: string, spreadMs: number): Promise<string | undefined> {
    const { budgetMs, shards, snapshotsRetained, dealing } = this.#options;
    const [trainer, ...others] = this.#options.trainers;
    if (snapshotsRetained === 0) return await this.#trimLearned();
    const atMs = this.#context.clock.nowMs();
    const publication = await this.#beginPublication(name);
    await this.#forgetLost();
    // Without new examples a snapshot is useful only where it replaces an older one that holds a
    // full log.
    const base = snapshotBase(this.#newest, this.#options);
    const chains = this.#newest?.shards ?? [];
    const enough = this.#exampleLogFull ? this.#retained[snapshotsRetained - 1] : this.#newest;
    const last = enough?.trainers.map(({ source, sequence }) => [source, sequence] as const);
    const { parts: trainers } = await this.#context.actorRef<TrainerMessage>(trainer).ask({
      kind: "cut",
      snapshot: name,
      dealing,
      standing: [],
      others,
      ...(base && { base }),
      ...(last === undefined ? {} : { unlessAt: Object.fromEntries(last) }),
    }, { budgetMs });
    if (trainers.length === 0) {
      if (publication !== undefined) await releaseName(this.#stores.blobs, name);
      // A power failure takes deletes back, and a store may have refused them.
      await this.#deleteOlder(publication);
      return undefined;
    }
    if (this.#cancelling) throw new Error(`The snapshot ${name} was cancelled for a newer one.`);
    const parts = await Promise.all(
      shards.map((shard) =>
        this.#context.actorRef<EmbeddingShardMessage>(shard)
          .ask({ kind: "writeSnapshot", snapshot: name, spreadMs }, { budgetMs })
      ),
    );
    invariant(
      trainers.length === this.#options.partitions &&
        trainers.every(({ checkpoint }) => checkpoint.name.startsWith(`${name}/`)) &&
        parts.every(({ header, shard }, i) => header.name.startsWith(`${name}/`) && shard === i),
      "all parts of a snapshot belong to one cut",
    );
    const manifest: SnapshotManifest = {
      format: FORMAT,
      name,
      atMs,
      trainers,
      shards: parts.map((part) => inChain(part, chains, cutOf(trainers))),
    };
    await this.#requireParts(manifest);
    await publication?.publish(name);
    await writeManifest(this.#stores.blobs, manifest);
    this.#retained = [manifest, ...this.#retained];
    this.#taken++;
    this.#failedLast = false;
    this.#snapshots.add(1, { outcome: "taken" });
    this.#measure(manifest);
    await this.#deleteOlder(publication);
    return name;
  }

  /**
   * Leaves the newest snapshot out where its store has lost parts of it, for example with a bucket
   * that was made anew: increments of these parts could not be read, so all rows are written.
   */
  async #forgetLost(): Promise<void> {
    if (this.#newest === undefined) return;
    const blobs = [...partsOf(this.#newest), { name: manifestName(this.#newest.name) }];
    if (await missingBlob(this.#stores.blobs, blobs) === undefined) return;
    this.#context.telemetry.log(
      "warn",
      "the store has lost parts of the newest snapshot; all rows are written anew",
      { snapshot: this.#newest.name },
    );
    this.#retained = [];
  }

  /**
   * Refuses a snapshot that no host could restore: a host of a shard whose store is another one,
   * for example since its volume is not mounted, has written its parts there.
   */
  async #requireParts(manifest: SnapshotManifest): Promise<void> {
    const part = await missingBlob(this.#stores.blobs, partsOf(manifest));
    if (part === undefined) return;
    throw new Error(
      `The store of this host lacks ${part}, which the host of that part has written: the two have ` +
        "different stores. Give all hosts the same storage.path or storage.s3, and see whether the " +
        "volume is mounted on each.",
    );
  }

  /**
   * Claims the name before the mesh is asked whether this snapshotter still has its place. One that
   * is given the place later finds the name and goes above it, however far this host's clock is
   * ahead: so it deletes all that is still written below the name. Where the mesh refuses, nothing
   * will be written there, and the name is given up; else it goes with the parts of its snapshot.
   */
  async #beginPublication(name: string): Promise<SnapshotPublication | undefined> {
    const { publisher, blobs } = this.#stores;
    if (publisher === undefined) return undefined;
    await claimName(blobs, name);
    try {
      return await publisher.begin(this.#options.tenure);
    } catch (error) {
      // A name that the store does not give up goes with the next finished snapshot.
      await releaseName(blobs, name).catch(() => {});
      throw error;
    }
  }

  /**
   * Deletes older snapshots and unfinished ones, and trims the example log up to the
   * chunk before the oldest retained cut. The mesh learns of it first: from then on no part begins
   * from an older snapshot.
   */
  async #deleteOlder(publication: SnapshotPublication | undefined): Promise<void> {
    const { blobs } = this.#stores;
    const retained = (await readManifests(blobs)).slice(0, this.#options.snapshotsRetained);
    const oldest = retained.at(-1);
    if (oldest === undefined) return;
    if (publication !== undefined && !await publication.recordOldest(oldest.name)) return;
    this.#retained = retained;
    await keepSnapshots(blobs, retained);
    if (retained.length < this.#options.snapshotsRetained) return;
    await this.#trimmer.trimBefore(retained);
  }

  async #trimLearned(): Promise<undefined> {
    const { budgetMs, trainers } = this.#options;
    for (const trainer of trainers) {
      const { offsets } = await this.#context.actorRef<TrainerMessage>(trainer)
        .ask({ kind: "getStatus" }, { budgetMs });
      for (const { partition, offset } of offsets) await this.#trimmer.trim(partition, offset);
    }
  }
}
