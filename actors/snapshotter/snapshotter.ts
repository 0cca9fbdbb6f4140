/**
 * The snapshotter's behaviour: has the trainers cut, collects the parts, writes the manifest, and only then forgets
 * older snapshots and the part of the example log that no restart would read again.
 *
 * A full example log is not left to the interval: trainers learn nothing new while it takes nothing, and it takes nothing
 * until the oldest kept snapshot is one that has learned what it holds.
 *
 * One that the interval asks for is spread over time, and given up when somebody asks for one, which is written at once.
 *
 * Where no snapshots are kept it only forgets the examples behind the trainer, which would fill the log otherwise. A
 * trainer that fails then begins with what is left of them: its dense model anew, beside the shards' rows.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Counter, Gauge } from "../../mesh/ports/telemetry.ts";
import type { EmbeddingShardMessage } from "../embedding_shard/protocol.ts";
import type { TrainerMessage } from "../trainer/protocol.ts";
import type { SnapshotterOptions } from "./options.ts";
import {
  FORMAT,
  keepSnapshots,
  readManifests,
  sequenceOf,
  type SnapshotManifest,
  snapshotName,
  writeManifest,
} from "../../records/snapshot_manifest.ts";
import type { SnapshotterMessage } from "./protocol.ts";

export interface SnapshotterDependencies {
  readonly blobs: BlobStore;
  readonly exampleLog: EventLog;
}

const CONSUMER = "snapshotter";
/** How often it is looked whether the example log is full, ms. */
const FULL_CHECK_MS = 5_000;

export class Snapshotter implements Behavior<SnapshotterMessage> {
  readonly #context: ActorContext<SnapshotterMessage>;
  readonly #options: SnapshotterOptions;
  readonly #stores: SnapshotterDependencies;
  readonly #snapshots: Counter;
  readonly #bytes: Gauge;
  /** Newest first. */
  #kept: readonly SnapshotManifest[];
  #dueAtMs: number;
  /** The last one that was begun. */
  #lastName: string | undefined;
  /** Ends when it is taken, or its failure reported. */
  #spreadUnderWay: { readonly name: string; readonly ended: Promise<void> } | undefined;
  #givesWay = false;
  /** Then the next is not spread: changes may have outrun it. */
  #failedLast = false;
  #taken = 0;
  #failed = 0;

  private constructor(
    context: ActorContext<SnapshotterMessage>,
    options: SnapshotterOptions,
    stores: SnapshotterDependencies,
    kept: readonly SnapshotManifest[],
  ) {
    this.#context = context;
    this.#options = options;
    this.#stores = stores;
    this.#kept = kept;
    this.#lastName = this.#newest?.name;
    this.#dueAtMs = context.clock.monotonicMs() + options.intervalMs;
    this.#snapshots = context.telemetry.counter("cairn_snapshots_total", {
      help: "Snapshots, by outcome.",
      labelNames: ["outcome"],
    });
    this.#bytes = context.telemetry.gauge("cairn_snapshot_bytes", {
      help: "Size of the newest snapshot.",
    });
    if (this.#newest !== undefined) this.#bytes.set(bytesOf(this.#newest));
    this.#wakeLater();
  }

  static async start(
    context: ActorContext<SnapshotterMessage>,
    options: SnapshotterOptions,
    stores: SnapshotterDependencies,
  ): Promise<Snapshotter> {
    return new Snapshotter(context, options, stores, await readManifests(stores.blobs));
  }

  async receive(message: SnapshotterMessage): Promise<void> {
    switch (message.kind) {
      case "wake":
        await this.#takeWhenDue();
        return this.#wakeLater();
      case "takeSnapshot": {
        try {
          await this.#giveWay();
          const name = await this.#take(this.#nextName(), 0);
          return this.#context.reply(message, name === undefined ? {} : { name });
        } catch (error) {
          this.#report(error);
          return this.#context.replyError(message, error as Error);
        }
      }
      case "getStatus":
        return this.#context.reply(message, {
          taken: this.#taken,
          failed: this.#failed,
          sequence: this.#newest === undefined ? 0 : sequenceOf(this.#newest),
          bytes: this.#newest === undefined ? 0 : bytesOf(this.#newest),
          ...(this.#newest === undefined ? {} : { name: this.#newest.name }),
        });
      default:
        message satisfies never;
    }
  }

  async #takeWhenDue(): Promise<void> {
    const { clock } = this.#context;
    const full = this.#exampleLogFull;
    const due = this.#spreadUnderWay === undefined && clock.monotonicMs() >= this.#dueAtMs;
    if (!full && !due) return;
    const spreadMs = full || this.#failedLast ? 0 : this.#options.spreadMs;
    if (spreadMs > 0) this.#takeSpread(spreadMs);
    else {
      await this.#giveWay();
      await this.#take(this.#nextName(), 0).catch((error) => this.#report(error));
    }
    this.#dueAtMs = clock.monotonicMs() + this.#options.intervalMs;
  }

  /** Does not wait for the end: meanwhile someone may ask for another. */
  #takeSpread(spreadMs: number): void {
    const name = this.#nextName();
    const ended = this.#take(name, spreadMs).then(() => {}, (error) => {
      this.#abandon(name);
      if (!this.#givesWay) this.#report(error);
    }).finally(() => this.#spreadUnderWay = undefined);
    this.#spreadUnderWay = { name, ended };
  }

  /** The spread one, if any, is given up for one that somebody waits for. */
  async #giveWay(): Promise<void> {
    if (this.#spreadUnderWay === undefined) return;
    const { name, ended } = this.#spreadUnderWay;
    this.#givesWay = true;
    this.#abandon(name);
    await ended;
    this.#givesWay = false;
  }

  #abandon(snapshot: string): void {
    for (const shard of this.#options.shards) {
      const ref = this.#context.actorRef<EmbeddingShardMessage>(shard);
      ref.tell({ kind: "abandonSnapshot", snapshot });
    }
  }

  /** Never given before: what is still written of one that was given up lies beside the next. */
  #nextName(): string {
    return this.#lastName = snapshotName(this.#context.clock.nowMs(), this.#lastName);
  }

  #wakeLater(): void {
    const dueInMs = this.#dueAtMs - this.#context.clock.monotonicMs();
    // Past where a spread one takes longer than the interval.
    const delayMs = dueInMs > 0 ? Math.min(dueInMs, FULL_CHECK_MS) : FULL_CHECK_MS;
    this.#context.schedule(delayMs, { kind: "wake" });
  }

  get #newest(): SnapshotManifest | undefined {
    return this.#kept[0];
  }

  get #exampleLogFull(): boolean {
    return this.#stores.exampleLog.refusal() !== undefined;
  }

  /** A snapshot that fails costs nothing but a longer replay: the next one is tried after the interval. */
  #report(error: unknown): void {
    if (this.#options.snapshotsKept === 0) return; // a busy trainer is asked again
    this.#failed++;
    this.#failedLast = true;
    this.#snapshots.add(1, { outcome: "failed" });
    this.#context.telemetry.log("warn", "a snapshot failed; the last one stays in force", {
      cause: error,
    });
  }

  async #take(name: string, spreadMs: number): Promise<string | undefined> {
    const { budgetMs, shards, snapshotsKept, trainers: [trainer, ...others] } = this.#options;
    if (snapshotsKept === 0) return await this.#forgetLearned();
    const atMs = this.#context.clock.nowMs();
    // Where nothing was learned since, one more is of use only if it lets go of an older one that holds the log.
    const enough = this.#exampleLogFull ? this.#kept[snapshotsKept - 1] : this.#newest;
    const last = enough?.trainers.map(({ source, sequence }) => [source, sequence] as const);
    const { parts: trainers } = await this.#context.actorRef<TrainerMessage>(trainer).ask({
      kind: "cut",
      snapshot: name,
      standing: [],
      others,
      ...(last === undefined ? {} : { unlessAt: Object.fromEntries(last) }),
    }, { budgetMs });
    if (trainers.length === 0) return undefined;
    if (this.#givesWay) throw new Error(`${name} is given up for a newer one`);
    const parts = await Promise.all(
      shards.map((shard) =>
        this.#context.actorRef<EmbeddingShardMessage>(shard)
          .ask({ kind: "writeSnapshot", snapshot: name, spreadMs }, { budgetMs })
      ),
    );
    const manifest: SnapshotManifest = {
      format: FORMAT,
      name,
      atMs,
      trainers,
      shards: parts,
    };
    await writeManifest(this.#stores.blobs, manifest);
    this.#kept = [manifest, ...this.#kept];
    this.#taken++;
    this.#failedLast = false;
    this.#snapshots.add(1, { outcome: "taken" });
    this.#bytes.set(bytesOf(manifest));
    await this.#forgetOlder();
    return name;
  }

  /** Deletes what no restart needs: older snapshots, parts of unfinished ones, and the log before the oldest kept cut. */
  async #forgetOlder(): Promise<void> {
    const { blobs } = this.#stores;
    const kept = (await readManifests(blobs)).slice(0, this.#options.snapshotsKept);
    this.#kept = kept;
    await keepSnapshots(blobs, kept);
    if (kept.length < this.#options.snapshotsKept) return;
    // The oldest cut is not always the first: a trainer goes back where a shard crashed after its part was written.
    const floors = new Map<number, number>();
    for (const { partition, offset } of kept.flatMap(({ trainers }) => trainers)) {
      floors.set(partition, Math.min(offset, floors.get(partition) ?? Infinity));
    }
    for (const [partition, offset] of floors) await this.#forgetExamples(partition, offset);
  }

  async #forgetLearned(): Promise<undefined> {
    const { budgetMs, trainers } = this.#options;
    for (const [partition, trainer] of trainers.entries()) {
      const { offset } = await this.#context.actorRef<TrainerMessage>(trainer)
        .ask({ kind: "getStatus" }, { budgetMs });
      await this.#forgetExamples(partition, offset);
    }
  }

  async #forgetExamples(partition: number, offset: number): Promise<void> {
    const { exampleLog } = this.#stores;
    // The joiner finds its place in the last record.
    const end = await exampleLog.endOffset(partition);
    const floor = Math.min(offset, end - 1);
    if (floor <= 0) return;
    await exampleLog.trim(partition, floor);
    await exampleLog.commitOffset(CONSUMER, partition, floor);
  }
}

function bytesOf({ trainers, shards }: SnapshotManifest): number {
  const checkpoints = trainers.map(({ checkpoint }) => checkpoint);
  const parts = shards.flatMap(({ header, chunks }) => [header, ...chunks]);
  return [...checkpoints, ...parts].reduce((sum, { bytes }) => sum + bytes, 0);
}
