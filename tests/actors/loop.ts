/**
 * The whole loop in one thread under virtual time: every actor of the mesh over logs in memory.
 * Each message is copied as it would be between threads, so that a buffer shared by mistake is
 * found here.
 */
import type { JoinerMessage } from "../../actors/joiner/protocol.ts";
import type {
  Rank,
  RankerMessage,
  Ranking,
  Recommend,
  RecommendSimilar,
} from "../../actors/ranker/protocol.ts";
import type { RowFeedMessage } from "../../actors/row_feed/protocol.ts";
import type { TrainerMessage } from "../../actors/trainer/protocol.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type {
  ActorDefinition,
  ActorRef,
  Address,
  AskOptions,
  Message,
} from "../../mesh/runtime/actor.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import type { ErasurePass } from "../../records/erasure.ts";
import { encodeEvent, eventPartition } from "../../records/event_record.ts";
import { decodeExamples, type ExampleChunk } from "../../records/example_chunk.ts";
import { altered } from "./altered.ts";
import { startActors, startReplica } from "./loop_actors.ts";
import type { LoopOptions } from "./loop_options.ts";
import { takeSnapshot } from "./loop_snapshot.ts";

const BUDGET = { budgetMs: 5_000 };

export class Loop {
  readonly mesh: SimulatedMesh;
  readonly eventLog: MemoryEventLog;
  readonly exampleLog: MemoryEventLog;
  readonly blobs: MemoryBlobStore;
  readonly profiles: MemoryProfileStore;
  readonly shards: number;
  readonly trainers: readonly Address[];
  readonly #spawns = new Map<Address, () => Promise<unknown>>();
  #events = 0;
  #isKilled = false;

  private constructor(readonly options: LoopOptions) {
    const { seed = 1, startMs, storage } = options;
    this.mesh = new SimulatedMesh({ seed, ...(startMs === undefined ? {} : { startMs }) });
    this.profiles = new MemoryProfileStore(this.mesh.clock);
    this.shards = options.shards ?? 2;
    const { trainers = 1, partitions = trainers } = options;
    const bytesMax = options.exampleBytesMax ?? Infinity;
    this.eventLog = storage?.eventLog ?? new MemoryEventLog({
      name: "events",
      partitions: 1,
      bytesMax: options.eventBytesMax ?? Infinity,
    });
    this.exampleLog = storage?.exampleLog ??
      new MemoryEventLog({ name: "examples", partitions, bytesMax });
    this.blobs = storage?.blobs ?? new MemoryBlobStore();
    this.trainers = Array.from({ length: trainers }, (_, i): Address => `trainer/${i}`);
  }

  static async start(options: LoopOptions = {}): Promise<Loop> {
    const loop = new Loop(options);
    await loop.#spawn();
    await loop.mesh.advance(100); // the row feed fills the replicas
    return loop;
  }

  /** The log as this process sees it: a killed one is not told of appends, and makes none. */
  #logOf(log: EventLog): EventLog {
    return altered<EventLog>(log, {
      onAppended: (partition, listener, haste) =>
        log.onAppended(partition, () => {
          if (!this.#isKilled) listener();
        }, haste),
      append: (partition, records) =>
        this.#isKilled ? new Promise(() => {}) : log.append(partition, records),
    });
  }

  async #spawn(): Promise<void> {
    const { options, shards, trainers, blobs, profiles } = this;
    await startActors({
      options,
      shards,
      trainers,
      blobs,
      profiles,
      eventLog: this.#logOf(this.eventLog),
      exampleLog: this.#logOf(this.exampleLog),
      start: (definition, key, options) => this.#start(definition, key, options),
    });
  }

  /** Starts an actor, and keeps its definition for {@link restart}. */
  async #start<M extends Message, O>(
    definition: ActorDefinition<M, O>,
    key: number,
    options: O,
  ): Promise<void> {
    const spawn = () => this.mesh.settle(this.mesh.node().spawn(definition, key, options));
    this.#spawns.set(`${definition.kind}/${key}`, spawn);
    await spawn();
  }

  /** Stops an actor and starts it again, without its memory; `meanwhile` runs between. */
  async restart(address: Address, meanwhile?: () => Promise<unknown>): Promise<void> {
    await this.mesh.settle(this.mesh.node().stopActor(address, 0));
    if (meanwhile !== undefined) await this.mesh.settle(meanwhile());
    await this.#spawns.get(address)!();
  }

  /**
   * Kills the process and starts it again: a new mesh over the same logs and blobs. Messages and
   * unfinished writes of this one are lost.
   *
   * @param changed Options that the next one has otherwise.
   */
  kill(seed: number, changed: LoopOptions = {}): Promise<Loop> {
    this.#isKilled = true;
    const { eventLog, exampleLog, blobs } = this;
    const storage = { eventLog, exampleLog, blobs };
    return Loop.start({
      ...this.options,
      ...changed,
      seed,
      startMs: this.mesh.clock.nowMs(),
      storage,
    });
  }

  /**
   * A run that was never killed, on a copy of this one's example log: it learns all examples from
   * the beginning. No snapshot has trimmed the log, since each one is kept.
   */
  async learnAgain(shards = this.shards): Promise<Loop> {
    const { eventLog, options } = this;
    const { partitions } = this.exampleLog;
    const exampleLog = new MemoryEventLog({ name: "examples", partitions });
    for (let partition = 0; partition < partitions; partition++) {
      const records = await this.exampleLog.read(partition, 0, 1e6);
      if (records.length > 0) await exampleLog.append(partition, records.map(({ bytes }) => bytes));
    }
    const storage = { eventLog, exampleLog, blobs: new MemoryBlobStore() };
    return await Loop.start({ ...options, shards, storage });
  }

  /** Takes a snapshot. Older snapshots stay. */
  snapshot(): Promise<void> {
    return takeSnapshot(this);
  }

  async startReplica(shard: number): Promise<void> {
    await startReplica((definition, key, options) => this.#start(definition, key, options), shard);
  }

  async stopReplica(shard: number): Promise<void> {
    await this.mesh.settle(this.mesh.node().stopActor(`serving_replica/${shard}`, 0));
  }

  #ref<M extends Message>(address: Address): ActorRef<M> {
    return this.mesh.node().actorRef<M>(address);
  }

  joinerStatus() {
    const joiner = this.#ref<JoinerMessage>("joiner/0");
    return this.mesh.settle(joiner.ask({ kind: "getStatus" }, BUDGET));
  }

  /** The status of a trainer, with the offset of its first partition. */
  async trainerStatus(trainer = 0) {
    const ref = this.#ref<TrainerMessage>(this.trainers[trainer]);
    const status = await this.mesh.settle(ref.ask({ kind: "getStatus" }, BUDGET));
    return { ...status, offset: status.offsets[0].offset };
  }

  /** A trainer's own dense weights. */
  async denseWeights(index = 0) {
    const trainer = this.#ref<TrainerMessage>(this.trainers[index]);
    return (await this.mesh.settle(trainer.ask({ kind: "getDenseWeights" }, BUDGET))).weights;
  }

  /** All chunks of a partition of the example log. */
  async examples(partition = 0): Promise<ExampleChunk[]> {
    const records = await this.exampleLog.read(partition, 0, 1e6);
    return records.map(({ bytes }) => decodeExamples(bytes));
  }

  progressiveValidation() {
    const trainer = this.#ref<TrainerMessage>("trainer/0");
    return this.mesh.settle(trainer.ask({ kind: "getProgressiveValidation" }, BUDGET));
  }

  rankerStatus() {
    const ranker = this.#ref<RankerMessage>("ranker/0");
    return this.mesh.settle(ranker.ask({ kind: "getStatus" }, BUDGET));
  }

  feedStatus() {
    const feed = this.#ref<RowFeedMessage>("row_feed/0");
    return this.mesh.settle(feed.ask({ kind: "getStatus" }, BUDGET));
  }

  /** Sends a request; virtual time has to pass until it is answered. */
  requestRanking(
    user: string,
    candidates: readonly string[],
    more: Partial<Omit<Rank, "kind">> = {},
    options: Partial<AskOptions> = {},
  ): Promise<Ranking> {
    const request: Rank = {
      kind: "rank",
      user,
      context: {},
      atMs: this.mesh.clock.nowMs(),
      candidates: candidates.map((id) => ({ id })),
      limit: candidates.length,
      explain: false,
      ...more,
    };
    return this.#ref<RankerMessage>("ranker/0").ask(request, { ...BUDGET, ...options });
  }

  /** Recommends stored items. */
  recommend(
    request: Partial<Recommend> & { readonly user: string },
  ): Promise<Ranking> {
    const whole: Recommend = {
      kind: "recommend",
      context: {},
      atMs: this.mesh.clock.nowMs(),
      limit: 10,
      explain: false,
      sources: ["model"],
      candidates: 100,
      ...request,
    };
    return this.mesh.settle(this.#ref<RankerMessage>("ranker/0").ask(whole, BUDGET));
  }

  /** Items similar to an item. */
  similar(item: string, request: Partial<RecommendSimilar> = {}): Promise<Ranking> {
    const whole: RecommendSimilar = {
      kind: "recommendSimilar",
      item,
      user: "",
      context: {},
      atMs: this.mesh.clock.nowMs(),
      limit: 10,
      explain: false,
      candidates: 100,
      orderBy: "similarity",
      ...request,
    };
    return this.mesh.settle(this.#ref<RankerMessage>("ranker/0").ask(whole, BUDGET));
  }

  rank(...request: Parameters<Loop["requestRanking"]>): Promise<Ranking> {
    return this.mesh.settle(this.requestRanking(...request));
  }

  /** Appends an action as the gateway does; resolves with its acceptance time. */
  async act(rankingId: string, item: string, action: string, value?: number): Promise<number> {
    const acceptedAtMs = this.mesh.clock.nowMs() + this.#events * 1e-3;
    await this.eventLog.append(eventPartition(rankingId, 1), [encodeEvent({
      kind: "action",
      eventId: `event-${this.#events++}`,
      rankingId,
      item,
      action,
      ...(value === undefined ? {} : { value }),
      atMs: this.mesh.clock.nowMs(),
      acceptedAtMs,
    })]);
    return acceptedAtMs;
  }

  /** Appends the erasure of a user, as the gateway does. */
  async erase(user: string, erasureId: string, pass: ErasurePass = 1): Promise<void> {
    const nowMs = this.mesh.clock.nowMs();
    const acceptedAtMs = nowMs + this.#events++ * 1e-3;
    await this.eventLog.append(0, [
      encodeEvent({ kind: "forget", erasureId, pass, user, atMs: nowMs, acceptedAtMs }),
    ]);
  }

  async stop(): Promise<void> {
    await this.mesh.stop();
  }
}
