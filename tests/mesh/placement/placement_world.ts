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
 * 5. An aborted move changes nothing: the owner goes on with what it had.
 */
import {
  type HostDescription,
  HostGoneError,
  type HostRun,
  type MeshView,
  type Ownership,
  type PlacedKey,
  type PlacementChange,
} from "../../../mesh/ports/coordination.ts";
import type { RandomStream } from "../../../mesh/ports/random.ts";
import {
  type RecordRule,
  RecordsLostError,
  type RecordStore,
  RecordStoreUnavailableError,
  type TransactOptions,
} from "../../../mesh/ports/record_store.ts";
import { MemoryRecordStore } from "../../../mesh/adapters/memory/memory_record_store.ts";
import { Coordinator } from "../../../mesh/runtime/coordination/coordinator.ts";
import type { ControllerOptions } from "../../../mesh/placement/controller.ts";
import {
  type ControllerRound,
  ControllerRounds,
} from "../../../mesh/placement/controller_rounds.ts";
import {
  dutiesOf,
  type Holding,
  type HostDuty,
  hostStep,
} from "../../../mesh/placement/host_duties.ts";
import { present } from "../../../structures/invariant.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";

/** A defect that is planted to see that the checks find it. */
export type Plant = "unfreezeByTimer" | "publishUnfenced" | "noFence";

export interface WorldOptions {
  readonly seed: number;
  readonly hosts: number;
  readonly shards: number;
  readonly controller?: Partial<ControllerOptions>;
  readonly plant?: Plant;
}

export const TTL_MS = 3_000;

type Marks = Map<string, number>;

interface ModelShard {
  epoch: number;
  /** Identity of the shard's state: a live move keeps it, a restore makes another. */
  id: string;
  marks: Marks;
  copy: string | undefined;
  givesTo: HostRun | undefined;
  frozen: boolean;
}

interface Learner {
  readonly epoch: number;
  readonly copy: string;
  readonly id: string;
  marks: Marks;
  verified: boolean;
}

/** A snapshot as restoring shards and trainers read it. */
interface Snapshot {
  /** Marks of each shard. */
  readonly shards: readonly Marks[];
  /** Sequence of each trainer, by its name. */
  readonly trainers: Marks;
}

/** Why a shard refuses; the trainer asks again. */
class Refused extends Error {
  constructor(readonly why: "absent" | "moving" | "restarted" | "fenced") {
    super(why);
  }
}

class Unreachable extends Error {}

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
  rewinds = 0;
  manifestsPublished = 0;
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
      opener.open({ shards, eventPartitions: 2, examplePartitions: 2, schema: "s" }),
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
      protocol: 1,
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
    if (!to.alive || this.chance(0.01)) {
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

/** A process that can be paused and killed. */
export class Process {
  alive = true;
  #pause: Promise<void> | undefined;

  constructor(readonly world: PlacementWorld, readonly name: string) {}

  /** Does nothing for `ms`: neither handles messages nor goes on after an answer. */
  pause(ms: number): void {
    this.#pause = this.world.clock.delay(ms);
    this.#pause.then(() => this.#pause = undefined);
  }

  /** A process that has seen nothing of the store yet. */
  fresh(): Process {
    return new Process(this.world, `${this.name} anew`);
  }

  async awake(): Promise<void> {
    while (this.#pause !== undefined) await this.#pause;
  }
}

/** The store as one process reaches it. */
class ProcessStore implements RecordStore {
  #seen = 0;

  constructor(readonly world: PlacementWorld, readonly process: Process) {}

  async transact<R>(rule: RecordRule<R>, options?: TransactOptions): Promise<R> {
    const { world, process } = this;
    await world.clock.delay(world.between(1, 20));
    await process.awake();
    if (world.storeIsAway || (process as Partial<HostProcess>).isCutOff) {
      await world.clock.delay(100);
      throw new RecordStoreUnavailableError("the store", "away");
    }
    let found = 0;
    const result = await world.store.transact((view) => {
      found = view.revision;
      if (found < this.#seen) throw new RecordsLostError("the store", this.#seen, found);
      return rule(view);
    }, options);
    this.#seen = Math.max(this.#seen, found);
    await world.clock.delay(world.between(1, 20));
    await process.awake();
    if (world.chance(0.01)) throw new RecordStoreUnavailableError("the store", "answer lost");
    return result;
  }

  watch(since: number): Promise<number> {
    return Promise.resolve(since);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A host: renews its lease, may be the controller, and fulfils its duties. */
export class HostProcess extends Process {
  isCutOff = false;
  incarnation = "";
  lastRound: ControllerRound | undefined;
  #shards = new Map<number, ModelShard>();
  #learners = new Map<number, Learner>();
  #duties: ReadonlyMap<PlacedKey, HostDuty> = new Map();
  #leaseUntilMs = 0;
  #run = 0;
  #mesh: Coordinator | undefined;
  /** Shards whose copy is under way, whether its state is of use or not. */
  readonly #copying = new Set<number>();

  get run(): HostRun {
    return { host: this.name, incarnation: this.incarnation };
  }

  /** Starts a process; after a kill, another one with the same name. */
  start(): void {
    this.alive = true;
    this.incarnation = this.world.uuid();
    this.#shards = new Map();
    this.#learners = new Map();
    this.#duties = new Map();
    this.#copying.clear();
    this.#leaseUntilMs = 0;
    const run = ++this.#run;
    this.#main(run);
  }

  kill(): void {
    this.alive = false;
    this.#run++;
  }

  async #main(run: number): Promise<void> {
    const { world } = this;
    const isRunning = () => run === this.#run && !world.stopped;
    const mesh = this.#mesh = world.coordination(this);
    const rounds = new ControllerRounds(mesh, this.run, {
      spreadMax: 0.1,
      movesMax: 2,
      balances: true,
      patienceMs: TTL_MS,
      frozenMsMax: 1_000,
      fillingMsMax: 20_000,
      restoringMsMax: 20_000,
      ...world.options.controller,
    });
    const description: HostDescription = {
      ...this.run,
      address: this.name,
      roles: ["shards", "trainer", "joiner"],
      capacityBytes: 2 ** 30,
      version: "1",
      protocols: [1, 1],
    };
    const loop = async (everyMs: number, work: () => Promise<void>) => {
      while (isRunning()) {
        try {
          await work();
        } catch (error) {
          if (error instanceof HostGoneError && isRunning()) return this.start();
        }
        await world.clock.delay(everyMs);
        await this.awake();
      }
    };
    for (let joined = false; !joined && isRunning();) {
      const sentMs = world.clock.monotonicMs();
      await mesh.join(description).then(() => joined = true, () => world.clock.delay(500));
      this.#leaseUntilMs = sentMs + TTL_MS;
    }
    loop(TTL_MS / 3, async () => {
      const sentMs = world.clock.monotonicMs();
      const load: Record<string, number> = {};
      for (const shard of this.#shards.keys()) load[`shard/${shard}.bytes`] = 2 ** 20;
      await mesh.renew(this.run, load);
      this.#leaseUntilMs = sentMs + TTL_MS;
    });
    loop(200, async () => void (this.lastRound = await rounds.round()));
    loop(100, async () => await this.#fulfil(mesh, await mesh.read(), isRunning));
  }

  // ---- duties

  async #fulfil(mesh: Coordinator, view: MeshView, isRunning: () => boolean): Promise<void> {
    await this.awake();
    if (!isRunning()) return;
    this.#duties = dutiesOf(view, this.run);
    for (let shard = 0; shard < this.world.options.shards; shard++) {
      for (let steps = 0; steps < 3 && this.#step(mesh, shard); steps++);
      this.#reportFrozen(shard, this.#duties.get(`shard/${shard}`));
    }
    for (const key of ["events/0", "events/1", "examples/0", "examples/1"] as const) {
      const duty = this.#duties.get(key);
      if (duty?.kind !== "restore") continue;
      const next = { state: "active", owner: this.run } as const;
      mesh.place({ by: this.run, changes: [{ key, expected: duty.placement, next }] })
        .catch(() => {});
    }
  }

  #holding(shard: number): Holding | undefined {
    const rows = this.#shards.get(shard);
    if (rows !== undefined) {
      const { epoch, givesTo } = rows;
      return { kind: "rows", epoch, givesTo };
    }
    const learner = this.#learners.get(shard);
    if (learner === undefined) return undefined;
    return { kind: "copy", ...learner };
  }

  /** Makes the next step for one shard; whether another one follows at once. */
  #step(mesh: Coordinator, shard: number): boolean {
    const key: PlacedKey = `shard/${shard}`;
    const step = hostStep(this.#duties.get(key), this.#holding(shard));
    switch (step.kind) {
      case "nothing":
        return false;
      case "drop":
        this.#shards.delete(shard);
        this.#learners.delete(shard);
        return true;
      case "restore":
        this.#restore(shard, step.epoch);
        return false;
      case "reportActive":
      case "reportVerified": {
        const { placement } = step;
        const next = step.kind === "reportActive"
          ? { state: "active", owner: this.run } as const
          : { ...placement, phase: "verified" } as const;
        mesh.place({
          by: this.run,
          changes: [{ key, expected: placement, next: next as Ownership }],
        }).catch(() => {});
        return false;
      }
      case "endGiving": {
        const rows = present(this.#shards.get(shard), "it gives rows");
        this.world.aborts++;
        rows.copy = rows.givesTo = undefined;
        rows.frozen = false;
        return false;
      }
      case "startCopy":
        this.#learn(shard, step.placement.epoch, step.owner);
        return false;
      case "promote": {
        const { id, marks } = present(this.#learners.get(shard), "it has a copy");
        this.#learners.delete(shard);
        const rows = { ...this.#fresh(step.epoch, marks), id };
        this.#shards.set(shard, rows);
        this.world.takenOver(shard, rows);
        return false;
      }
      case "rejoin":
        this.world.violate(`${this.name} and shard ${shard}: ${step.reason}`);
        return false;
    }
  }

  #fresh(epoch: number, marks: Marks): ModelShard {
    return {
      epoch,
      id: this.world.uuid(),
      marks: new Map(marks),
      copy: undefined,
      givesTo: undefined,
      frozen: false,
    };
  }

  /** A lost shard begins at the newest snapshot, whatever the other shards have applied since. */
  #restore(shard: number, epoch: number): void {
    const [newest] = this.world.snapshots;
    this.#learners.delete(shard);
    this.#shards.set(shard, this.#fresh(epoch, newest?.shards[shard] ?? new Map()));
  }

  /** Copies a shard from its owner, in the background. */
  async #learn(shard: number, epoch: number, run: HostRun): Promise<void> {
    const { world } = this;
    const owner = world.hosts.find(({ incarnation }) => incarnation === run.incarnation);
    if (owner === undefined || this.#copying.has(shard)) return;
    this.#copying.add(shard);
    const { incarnation } = this;
    const copy = world.uuid();
    let learner: Learner | undefined;
    try {
      const begun = await world.call(
        this,
        owner,
        () => owner.copyBegin(shard, epoch, copy, this.run),
      );
      if (this.incarnation !== incarnation || this.#holding(shard) !== undefined) return;
      learner = { epoch, copy, verified: false, ...begun };
      this.#learners.set(shard, learner);
      await world.clock.delay(world.between(50, 2_000));
      await this.awake();
      const frozenMs = world.clock.monotonicMs();
      learner.marks = await world.call(this, owner, () => owner.freeze(shard, copy));
      learner.verified = true;
      world.freezeMsMax = Math.max(world.freezeMsMax, world.clock.monotonicMs() - frozenMs);
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      if (this.#learners.get(shard) === learner) this.#learners.delete(shard);
    } finally {
      this.#copying.delete(shard);
    }
  }

  // ---- messages

  copyBegin(
    shard: number,
    epoch: number,
    copy: string,
    target: HostRun,
  ): Pick<Learner, "id" | "marks"> {
    const has = this.#shards.get(shard);
    const duty = this.#duties.get(`shard/${shard}`);
    const isTarget = duty?.kind === "give" && duty.target.incarnation === target.incarnation;
    if (has === undefined || has.epoch !== epoch || !isTarget || duty.phase === "verified") {
      throw new Refused("absent");
    }
    // The target has dropped its earlier copy.
    has.copy = copy;
    has.givesTo = target;
    has.frozen = false;
    return { id: has.id, marks: new Map(has.marks) };
  }

  freeze(shard: number, copy: string): Marks {
    const has = this.#shards.get(shard);
    const duty = this.#duties.get(`shard/${shard}`);
    if (has === undefined || has.copy !== copy) throw new Refused("absent");
    has.frozen = true;
    if (this.world.options.plant === "unfreezeByTimer") {
      this.world.clock.delay(300).then(() => has.frozen = false);
    }
    this.#reportFrozen(shard, duty);
    return new Map(has.marks);
  }

  #reportFrozen(shard: number, duty: HostDuty | undefined): void {
    const isFrozen = this.#shards.get(shard)?.frozen;
    if (!isFrozen || duty?.kind !== "give" || duty.phase !== "filling") return;
    const { placement } = duty;
    if (placement.state !== "moving") return;
    const next = { ...placement, phase: "frozen" } as const;
    const changes: PlacementChange[] = [{ key: `shard/${shard}`, expected: placement, next }];
    this.#mesh?.place({ by: this.run, changes }).catch(() => {});
  }

  cut(shard: number): Marks {
    const has = this.#shards.get(shard);
    if (has === undefined || has.frozen) throw new Refused("moving");
    return new Map(has.marks);
  }

  open(shard: number, source: string): { id: string; mark: number } {
    const has = this.#shards.get(shard);
    if (has === undefined) throw new Refused("absent");
    return { id: has.id, mark: has.marks.get(source) ?? 0 };
  }

  gradients(shard: number, source: string, sequence: number, id: string): void {
    const has = this.#shards.get(shard);
    if (has === undefined) throw new Refused("absent");
    if (has.frozen) throw new Refused("moving");
    if (this.world.clock.monotonicMs() >= this.#leaseUntilMs) throw new Refused("fenced");
    const isStranger = has.id !== id && this.world.options.plant !== "noFence";
    if (isStranger) throw new Refused("restarted");
    const mark = has.marks.get(source) ?? 0;
    if (sequence <= mark) return;
    if (sequence !== mark + 1) {
      this.world.violate(`shard ${shard} got ${source} ${sequence} after ${mark}`);
    }
    has.marks.set(source, sequence);
    this.world.applied(this, shard, has);
  }
}

/** A trainer: every shard acknowledges a sequence before the next one. */
export class Trainer extends Process {
  done = 0;
  #view: MeshView | undefined;
  #ids: string[] = [];
  #holds = false;
  #isHolding = false;
  #epochs = new Map<number, number>();

  start(): void {
    const mesh = this.world.coordination(this);
    const { clock } = this.world;
    const refresh = async () => {
      while (!this.world.stopped) {
        await mesh.read().then((view) => {
          view.placements.forEach(({ epoch }, key) => this.#seeEpoch(key, epoch));
          this.#view = view;
        }, () => {});
        await clock.delay(150);
      }
    };
    refresh();
    this.#train();
  }

  /** A reader of placements never sees an epoch go back. */
  #seeEpoch(key: PlacedKey, epoch: number): void {
    if (!key.startsWith("shard/")) return;
    const shard = Number(key.slice("shard/".length));
    const before = this.#epochs.get(shard) ?? 0;
    if (epoch < before) this.world.violate(`shard ${shard} went back to epoch ${epoch}`);
    this.#epochs.set(shard, epoch);
  }

  /** Resolves when the trainer stands between two sequences. */
  async hold(): Promise<void> {
    this.#holds = true;
    for (let waitedMs = 0; !this.#isHolding; waitedMs += 20) {
      if (waitedMs > 2_000) throw new Unreachable("the trainer does not hold still");
      await this.world.clock.delay(20);
    }
  }

  release(): void {
    this.#holds = false;
  }

  async #train(): Promise<void> {
    const { clock } = this.world;
    while (!this.world.stopped) {
      try {
        await this.#open();
        for (;;) {
          await this.awake();
          while (this.#holds) {
            this.#isHolding = true;
            await clock.delay(10);
          }
          this.#isHolding = false;
          if (this.world.stopped) return;
          await this.#step(this.done + 1);
          this.done++;
        }
      } catch (error) {
        this.#isHolding = false;
        if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
        await clock.delay(100);
      }
    }
  }

  async #open(): Promise<void> {
    const view = this.#view;
    if (view === undefined) throw new Unreachable("no view yet");
    const opened = await Promise.all(
      Array.from({ length: this.world.options.shards }, async (_, shard) => {
        const owner = this.world.ownerOf(view, shard);
        return await this.world.call(this, owner, () => owner.open(shard, this.name));
      }),
    );
    this.#ids = opened.map(({ id }) => id);
    this.done = this.#resumeAt(Math.min(...opened.map(({ mark }) => mark)));
  }

  /** The newest snapshot that all shards have reached; those ahead of it drop what they have. */
  #resumeAt(mark: number): number {
    const { snapshots } = this.world;
    if (snapshots.length === 0) return 0;
    const starts = snapshots.map(({ trainers }) => trainers.get(this.name) ?? 0);
    const start = starts.find((sequence) => sequence <= mark);
    if (start !== undefined) return start;
    this.world.violate(`${this.name} is at ${mark}, before every snapshot (${starts})`);
    return mark;
  }

  async #step(sequence: number): Promise<void> {
    await Promise.all(this.#ids.map(async (id, shard) => {
      for (;;) {
        if (this.world.stopped) return;
        const view = this.#view;
        try {
          const owner = this.world.ownerOf(view as MeshView, shard);
          await this.world.call(
            this,
            owner,
            () => owner.gradients(shard, this.name, sequence, id),
          );
          this.world.acknowledged(shard, id, this.name, sequence);
          return;
        } catch (error) {
          const isRefused = error instanceof Refused;
          if (!isRefused && !(error instanceof Unreachable)) throw error;
          if (isRefused && error.why === "restarted") throw error;
          await this.world.clock.delay(30);
        }
      }
    }));
  }
}
