/**
 * A simulated mesh for placement: the controller, the duties of hosts and the store's rules are the
 * real ones; a shard is reduced to the marks of its sources, and a trainer to a sequence that every
 * shard has to acknowledge. Messages and the store have latencies and fail by the seed.
 *
 * It checks, at the moment they could break:
 *
 * 1. In each epoch of a shard, one process at most applies gradients.
 * 2. An owner that took a shard over live has everything that was acknowledged before.
 * 3. The epochs that a replica sees do not go back, unless it was told to accept a loss.
 * 4. A restored shard is never before all snapshots that are kept: its trainers can go back.
 * 5. An aborted move changes nothing: the owner goes on with its rows.
 */
import type { MeshView } from "../../../mesh/ports/coordination.ts";
import type { RandomStream } from "../../../mesh/ports/random.ts";
import { MemoryRecordStore } from "../../../mesh/adapters/memory/memory_record_store.ts";
import { Coordinator } from "../../../mesh/runtime/coordination/coordinator.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import {
  meshSettings,
  type ModelShard,
  type Snapshot,
  TTL_MS,
  Unreachable,
  type WorldOptions,
} from "./model.ts";
import { Process, ProcessStore } from "./model_process.ts";
import { HostProcess } from "./model_host.ts";
import { Trainer } from "./model_trainer.ts";

export class PlacementWorld {
  readonly clock = new VirtualClock();
  readonly options: WorldOptions;
  readonly random: RandomStream;
  readonly hosts: HostProcess[] = [];
  readonly trainers: Trainer[] = [];
  /** The snapshots that are kept, newest first. */
  snapshots: readonly Snapshot[] = [];
  store: MemoryRecordStore;
  storeIsAway = false;
  readonly violations: string[] = [];
  moves = 0;
  aborts = 0;
  /** Aborts that owners have asked the store for. */
  ownAborts = 0;
  rewinds = 0;
  manifestsPublished = 0;
  /** Moves of joiners and trainers that an operator's plan asked for. */
  plannedReaders = 0;
  freezeMsMax = 0;
  stopped = false;
  readonly #seeded: SeededRandom;
  readonly #appliers = new Map<string, string>();
  readonly #acknowledged = new Map<string, number>();
  readonly #takenOver = new Map<string, number>();
  #manifest = 0;

  constructor(options: WorldOptions) {
    this.options = options;
    this.#seeded = new SeededRandom(options.seed);
    this.random = this.#seeded.stream("world");
    this.store = new MemoryRecordStore(this.clock);
  }

  async start(): Promise<void> {
    const { hosts, shards } = this.options;
    const opener = this.coordination(new Process(this, "opener"));
    await this.clock.settle(
      opener.open(meshSettings({ shards, eventPartitions: 2, examplePartitions: 2, trainers: 2 })),
    );
    for (let i = 0; i < hosts; i++) this.addHost();
    for (let i = 0; i < 2; i++) {
      const trainer = new Trainer(this, `trainer/${i}`);
      this.trainers.push(trainer);
      trainer.start();
    }
    this.#snapshots();
  }

  addHost(): HostProcess {
    const host = new HostProcess(this, `host-${this.hosts.length}`);
    this.hosts.push(host);
    host.start();
    return host;
  }

  uuid(): string {
    return this.#seeded.uuid("id");
  }

  between(min: number, max: number): number {
    return min + Math.floor(this.random.nextFloat() * (max - min));
  }

  chance(probability: number): boolean {
    return this.random.nextFloat() < probability;
  }

  coordination(process: Process): Coordinator {
    return new Coordinator({
      store: new ProcessStore(this, process),
      random: this.#seeded,
      hostTtlMs: TTL_MS,
      controlTtlMs: TTL_MS,
    });
  }

  violate(text: string): void {
    this.violations.push(`${this.clock.monotonicMs()} ms: ${text}`);
  }

  /** A request over a link: slow, lost, or to a process that is gone. */
  async call<R>(from: Process, to: Process, handle: () => R): Promise<R> {
    await this.clock.delay(this.between(1, 15));
    const isUnlinked = [from, to].some((process) => (process as Partial<HostProcess>).isUnlinked);
    if (!to.alive || isUnlinked || this.chance(0.01)) {
      await this.clock.delay(200);
      throw new Unreachable(to.name);
    }
    await to.awake();
    if (!to.alive) throw new Unreachable(to.name);
    let result: R;
    try {
      result = handle();
    } finally {
      await this.clock.delay(this.between(1, 15));
      await from.awake();
    }
    if (this.chance(0.01)) throw new Unreachable(`the answer of ${to.name}`);
    return result;
  }

  // ---- checks

  applied(process: HostProcess, shard: number, { epoch, id }: ModelShard): void {
    const key = `${shard} in epoch ${epoch}`;
    const before = this.#appliers.get(key);
    this.#appliers.set(key, process.incarnation);
    if (before !== undefined && before !== process.incarnation) {
      this.violate(`shard ${key} was applied to by two processes`);
    }
    const taken = this.#takenOver.get(id);
    if (taken !== undefined && taken > epoch) {
      this.violate(`shard ${key} was applied to after epoch ${taken} took it over`);
    }
  }

  acknowledged(shard: number, id: string, source: string, sequence: number): void {
    const key = `${shard} ${id} ${source}`;
    this.#acknowledged.set(key, Math.max(sequence, this.#acknowledged.get(key) ?? 0));
  }

  takenOver(shard: number, { id, epoch, marks }: ModelShard): void {
    this.moves++;
    this.#takenOver.set(id, epoch);
    for (const { name } of this.trainers) {
      const acknowledged = this.#acknowledged.get(`${shard} ${id} ${name}`) ?? 0;
      const has = marks.get(name) ?? 0;
      if (has < acknowledged) {
        this.violate(`shard ${shard} lost ${name} ${has + 1}…${acknowledged} in a live move`);
      }
    }
  }

  // ---- snapshots

  /** Stops the trainers between two sequences, cuts, lets them go on, and publishes. */
  async #snapshots(): Promise<void> {
    const process = new Process(this, "snapshotter");
    const mesh = this.coordination(process);
    while (!this.stopped) {
      await this.clock.delay(this.between(1_000, 4_000));
      try {
        const begun = await mesh.read();
        await Promise.all(this.trainers.map((trainer) => trainer.hold()));
        const view = await mesh.read();
        const parts = await Promise.all(
          Array.from({ length: this.options.shards }, async (_, shard) => {
            const owner = this.ownerOf(view, shard);
            return await this.call(process, owner, () => owner.cut(shard));
          }),
        );
        const trainers = new Map(this.trainers.map(({ name, done }) => [name, done]));
        for (const trainer of this.trainers) trainer.release();
        const isWhole = parts.every((marks) =>
          this.trainers.every(({ name }) => (marks.get(name) ?? 0) === trainers.get(name))
        );
        if (!isWhole) continue;
        const isFenced = this.options.plant !== "publishUnfenced";
        // Large shards take long to write.
        await this.clock.delay(this.between(0, 8_000));
        if (isFenced) {
          await mesh.publishManifest({
            name: `manifest-${++this.#manifest}`,
            after: begun.manifest?.sequence ?? 0,
            generation: begun.generation,
            epochs: {},
          });
        }
        await this.clock.delay(this.between(0, 500));
        this.snapshots = [{ shards: parts, trainers }, ...this.snapshots];
        this.manifestsPublished++;
        const { generation } = await mesh.read();
        if (generation === begun.generation || !isFenced) {
          this.snapshots = this.snapshots.slice(0, 1);
        }
      } catch {
        // The next one is complete.
      } finally {
        for (const trainer of this.trainers) trainer.release();
      }
    }
  }

  ownerOf(view: MeshView, shard: number): HostProcess {
    const placement = view.placements.get(`shard/${shard}`);
    const run = placement && placement.state !== "unassigned" ? placement.owner : undefined;
    const host = this.hosts.find(({ incarnation }) => incarnation === run?.incarnation);
    if (host === undefined) throw new Unreachable("no owner");
    return host;
  }

  /** A copy of the store as it is now. */
  async backup(): Promise<MemoryRecordStore> {
    const copy = new MemoryRecordStore(this.clock);
    let entries: readonly (readonly [string, unknown])[] = [];
    let revision = 0;
    await this.store.transact((view) => {
      entries = view.entries("");
      revision = view.revision;
    });
    await copy.transact((view) => {
      for (const [key, value] of entries) view.set(key, value as never);
      view.skipRevisions(revision);
    });
    return copy;
  }
}
