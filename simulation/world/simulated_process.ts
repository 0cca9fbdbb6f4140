/**
 * One incarnation of the server process: its threads as nodes over revocable clocks, linked with
 * each other, and the production composition on top. Killing it revokes every port at once, so
 * nothing of it can act any more.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { DirectoryBlobStore } from "../../mesh/adapters/embedded/directory_blob_store.ts";
import { makeDirectory } from "../../mesh/adapters/embedded/durable_directory.ts";
import { EmbeddedEventLog } from "../../mesh/adapters/embedded/embedded_event_log.ts";
import { removeTemporaries } from "../../mesh/adapters/embedded/small_file.ts";
import type { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import type { Mesh } from "../../mesh/runtime/mesh.ts";
import { Node } from "../../mesh/runtime/node.ts";
import { type AnyDefinition, defineNodeActor } from "../../mesh/runtime/node_actor.ts";
import { NodeLink } from "../../mesh/runtime/node_link.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import type { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import type { RunningMesh } from "../../server/compose.ts";
import type { Environment, MeshStores, NodesRequest } from "../../server/environment.ts";
import { homeNode } from "../../server/plan.ts";
import { referenceSessions } from "../../server/reference_sessions.ts";
import { DATA_DIRECTORY, type MachineDisk } from "../disk/machine_disk.ts";
import { SimulatedFiles } from "../disk/simulated_files.ts";
import { SimulatedLogEnds, SimulatedLogMemory } from "../disk/simulated_log_ends.ts";
import { KeyedHash } from "../keyed_hash.ts";
import { SEED_END } from "../seed.ts";
import { NodeClock } from "./node_clock.ts";
import type { Composed, Program } from "./program.ts";
import { type ActorObserver, observed, type PendingAsk } from "./observed.ts";
import { createWorldLink } from "./world_link.ts";
import type { WorldTelemetry } from "./world_telemetry.ts";
import type { Exchange } from "./world.ts";

/** Time that requests in progress have at a stop, beyond the deadline of a ranking, ms. */
const DRAIN_GRACE_MS = 1_000;
/** The answer of a server that stops. */
const refused: Exchange = { status: 503, body: { detail: "The server is stopping." } };

/** The event log has one joiner. */
const EVENT_PARTITIONS = 1;

/** The surroundings of a process. */
export interface SimulatedProcessOptions {
  readonly seed: number;
  /** From 0. */
  readonly incarnation: number;
  readonly clock: VirtualClock;
  readonly program: Program;
  readonly configuration: CairnConfiguration;
  readonly disk: MachineDisk;
  readonly profiles: MemoryProfileStore;
  readonly telemetry: WorldTelemetry;
  readonly observer: ActorObserver;
  readonly linkMs: number;
  readonly linkExtraMs: (node: string) => number;
  readonly syncMs: number;
  readonly syncExtraMs: () => number;
  /** A segment of a log that would grow past this is followed by a new one, bytes. */
  readonly segmentBytesMax: number;
  readonly turnMessagesMax: number;
  readonly callbackRan: () => void;
  /** A part is gone for good. */
  readonly onFatal: (actor: Address, error: Error) => void;
  /** An actor used up its restarts, and is restarted all the same. */
  readonly onExceeded: (actor: Address, error: Error) => void;
}

/** A simulated server process. */
export class SimulatedProcess {
  readonly #options: SimulatedProcessOptions;
  readonly #clocks = new Map<string, NodeClock>();
  /** Threads by name. */
  readonly #nodes = new Map<string, Node>();
  readonly #exampleEnds: SimulatedLogMemory;
  readonly #logs: EventLog[] = [];
  readonly #death = Promise.withResolvers<void>();
  readonly #requests = new Set<Promise<unknown>>();
  /** Answers the requests that are in progress when the time for them is over. */
  readonly #stopped = Promise.withResolvers<Exchange>();
  readonly #asks = new Set<PendingAsk>();
  #stopping = false;
  #composed: Composed | undefined;
  #dead = false;

  constructor(options: SimulatedProcessOptions) {
    this.#options = options;
    this.#exampleEnds = new SimulatedLogMemory(options.configuration.trainerCount);
  }

  /** Undefined until the process has started. */
  get running(): RunningMesh | undefined {
    return this.#composed?.running;
  }

  /** The mesh; undefined until the process has started. */
  get mesh(): Mesh | undefined {
    return this.#composed?.mesh;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Resolves when the process dies. */
  get died(): Promise<void> {
    return this.#death.promise;
  }

  /** Composes the mesh. */
  async start(): Promise<void> {
    const { program, configuration } = this.#options;
    this.#composed = await program.compose(await this.#environment(), configuration);
  }

  /**
   * Stops in order, as on SIGTERM: new requests are refused, the ones in progress may end, then the
   * mesh stops.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    const { configuration } = this.#options;
    if (this.#requests.size > 0) {
      await Promise.race([
        Promise.allSettled(this.#requests),
        new Promise<void>((resolve) => {
          const drainMs = configuration.gateway.deadlineMs + DRAIN_GRACE_MS;
          this.#clockOf(homeNode).schedule(drainMs, resolve);
        }),
      ]);
    }
    this.#stopped.resolve(refused);
    await this.#composed?.stop();
  }

  /** Dies at once: no timer fires, no message arrives, no write begins any more. */
  kill(): void {
    this.#dead = true;
    for (const clock of this.#clocks.values()) clock.revoke();
    this.#death.resolve();
  }

  /** The thread stands still; a name that this process does not have stands for none. */
  stall(node: string, forMs: number): void {
    this.#clocks.get(node)?.stall(forMs);
  }

  /** Ends all stalls. */
  wake(): void {
    for (const clock of this.#clocks.values()) clock.wake();
  }

  /** Answers a request once the process has started. */
  async fetch(request: Request): Promise<Exchange | undefined> {
    if (this.#stopping) return refused;
    const answer = this.#answer(request);
    this.#requests.add(answer);
    try {
      return await Promise.race([answer, this.#stopped.promise]);
    } finally {
      this.#requests.delete(answer);
    }
  }

  async #answer(request: Request): Promise<Exchange | undefined> {
    // A thread that stands still reads its sockets afterwards.
    await new Promise<void>((resolve) => void this.#clockOf(homeNode).schedule(0, resolve));
    const response = await this.#composed?.fetch?.(request);
    if (response === undefined) return undefined;
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") ?? false;
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  }

  async #environment(): Promise<Environment> {
    const { configuration } = this.#options;
    const home = this.#node(homeNode);
    const dense = referenceSessions(configuration);
    return {
      home,
      stores: await this.#openStores(),
      dense,
      metrics: { snapshot: () => Promise.resolve(undefined), render: () => Promise.resolve("") },
      observe: (definition) => this.#observed(definition, homeNode),
      startNodes: (request) => this.#startNodes(request),
      close: async () => {
        for (const log of this.#logs) await log.close();
      },
    };
  }

  #observed(definition: AnyDefinition, node: string): AnyDefinition {
    const thread = { clock: this.#clockOf(node), asks: this.#asks };
    return observed(definition, this.#options.observer, thread);
  }

  /** Asks of actors that live and that should have ended so long ago. */
  overdueAsks(lateMs: number): PendingAsk[] {
    const nowMs = this.#clockOf(homeNode).monotonicMs();
    return [...this.#asks].filter((ask) => ask.dueAtMs + lateMs < nowMs && ask.isCurrent());
  }

  #node(name: string): Node {
    const { clock, telemetry, seed, incarnation, turnMessagesMax, callbackRan } = this.#options;
    const nodeClock = new NodeClock(clock, callbackRan);
    this.#clocks.set(name, nodeClock);
    const key = new KeyedHash(seed, `node/${name}`);
    const node = new Node({
      name,
      clock: nodeClock,
      random: new SeededRandom(
        (key.uint32(2 * incarnation) * 2 ** 16 + key.uint32(2 * incarnation + 1)) % SEED_END,
      ),
      telemetry,
      turnMessagesMax,
      onFailure: ({ address, error, restartsInMs }) => {
        const { onFatal, onExceeded } = this.#options;
        const report = restartsInMs === undefined ? onFatal : onExceeded;
        report(address, error instanceof Error ? error : new Error(String(error)));
      },
    });
    this.#nodes.set(name, node);
    return node;
  }

  /** The stores of the home node, opened as in production. */
  async #openStores(): Promise<MeshStores> {
    const { configuration, profiles, segmentBytesMax } = this.#options;
    const files = this.#files(homeNode);
    makeDirectory(DATA_DIRECTORY, files);
    removeTemporaries(DATA_DIRECTORY, files);
    const common = {
      mode: "write",
      bytesMax: configuration.storage.logBytesMax,
      segmentBytesMax,
      files,
      clock: this.#clockOf(homeNode),
    } as const;
    const eventLog = await EmbeddedEventLog.open({
      ...common,
      directory: `${DATA_DIRECTORY}/events`,
      partitions: EVENT_PARTITIONS,
    });
    const exampleLog = await EmbeddedEventLog.open({
      ...common,
      directory: `${DATA_DIRECTORY}/examples`,
      partitions: configuration.trainerCount,
      ends: new SimulatedLogEnds(this.#exampleEnds, common.clock),
    });
    this.#logs.push(eventLog, exampleLog);
    const blobs = new DirectoryBlobStore(`${DATA_DIRECTORY}/blobs`, files);
    return { eventLog, exampleLog, blobs, profiles };
  }

  /** The stores that another thread reads. */
  async #openSharedStores(
    node: string,
  ): Promise<{ readonly exampleLog: EventLog; readonly blobs: BlobStore }> {
    const files = this.#files(node);
    const clock = this.#clockOf(node);
    const exampleLog = await EmbeddedEventLog.open({
      mode: "read",
      directory: `${DATA_DIRECTORY}/examples`,
      partitions: this.#options.configuration.trainerCount,
      ends: new SimulatedLogEnds(this.#exampleEnds, clock),
      files,
      clock,
    });
    this.#logs.push(exampleLog);
    return { exampleLog, blobs: new DirectoryBlobStore(`${DATA_DIRECTORY}/blobs`, files) };
  }

  #files(node: string): SimulatedFiles {
    const { seed, incarnation, syncMs, syncExtraMs, disk } = this.#options;
    return new SimulatedFiles({
      disk,
      clock: this.#clockOf(node),
      user: `${node}-${incarnation}`,
      draws: new KeyedHash(seed, `disk/${node}/${incarnation}`),
      syncMs,
      extraMs: syncExtraMs,
    });
  }

  #clockOf(node: string): NodeClock {
    const clock = this.#clocks.get(node);
    if (clock === undefined) throw new Error(`there is no node ${node}`);
    return clock;
  }

  async #startNodes({ nodes, placement }: NodesRequest): Promise<void> {
    for (const { name } of nodes) this.#node(name);
    const all = [...this.#nodes.values()];
    all.forEach((left, i) => {
      for (const right of all.slice(i + 1)) this.#link(left, right);
    });
    for (const { name } of nodes) {
      const node = this.#nodes.get(name);
      if (node === undefined) continue;
      node.setPlacement(placement);
      const { exampleLog, blobs } = await this.#openSharedStores(name);
      const dense = referenceSessions(this.#options.configuration);
      const definitions = this.#options.program.definitions({ exampleLog, blobs, dense });
      await node.spawn(
        defineNodeActor(node, {
          definitions: definitions.map((definition) => this.#observed(definition, name)),
        }),
        name,
        undefined,
      );
    }
  }

  #link(left: Node, right: Node): void {
    const { seed, incarnation, linkMs, linkExtraMs } = this.#options;
    const side = (from: Node, to: Node) => ({
      receiver: this.#clockOf(to.name),
      latency: new KeyedHash(seed, `link/${from.name}/${to.name}/${incarnation}`),
      latencyMs: linkMs,
      extraMs: () => linkExtraMs(to.name),
    });
    const link = createWorldLink(side(left, right), side(right, left));
    new NodeLink(left, right.name, link.left);
    new NodeLink(right, left.name, link.right);
  }
}
