/**
 * One incarnation of the server process: its threads as nodes over revocable clocks, linked with
 * each other, and the production composition on top. Killing it revokes every port at once, so
 * nothing of it can act any more.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
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
import { KeyedHash } from "../keyed_hash.ts";
import { SEED_END } from "../seed.ts";
import type { Disk } from "./disk.ts";
import { NodeClock } from "./node_clock.ts";
import type { Composed, Program } from "./program.ts";
import { type ActorObserver, observed } from "./observed.ts";
import { WorldBlobs } from "./world_blobs.ts";
import { createWorldLink } from "./world_link.ts";
import { type DiskTimes, WorldLog, WorldLogHub } from "./world_log.ts";
import type { WorldTelemetry } from "./world_telemetry.ts";
import type { Exchange } from "./world.ts";

/** The surroundings of a process. */
export interface SimulatedProcessOptions {
  readonly seed: number;
  /** From 0. */
  readonly incarnation: number;
  readonly clock: VirtualClock;
  readonly program: Program;
  readonly configuration: CairnConfiguration;
  readonly disk: Disk;
  readonly profiles: MemoryProfileStore;
  readonly telemetry: WorldTelemetry;
  readonly observer: ActorObserver;
  readonly linkMs: number;
  readonly linkExtraMs: (node: string) => number;
  readonly syncMs: number;
  readonly syncExtraMs: () => number;
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
  readonly #events: WorldLogHub;
  readonly #examples: WorldLogHub;
  readonly #death = Promise.withResolvers<void>();
  #composed: Composed | undefined;
  #dead = false;

  constructor(options: SimulatedProcessOptions) {
    this.#options = options;
    this.#events = new WorldLogHub(options.disk.events);
    this.#examples = new WorldLogHub(options.disk.examples);
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
    this.#composed = await program.compose(this.#environment(), configuration);
  }

  /** Stops in order, as on SIGTERM. */
  async stop(): Promise<void> {
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
    const response = await this.#composed?.fetch?.(request);
    if (response === undefined) return undefined;
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") ?? false;
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  }

  #environment(): Environment {
    const { configuration, profiles } = this.#options;
    const home = this.#node(homeNode);
    const dense = referenceSessions(configuration);
    return {
      home,
      stores: { ...this.#stores(homeNode), profiles },
      dense,
      metrics: { snapshot: () => Promise.resolve(undefined), render: () => Promise.resolve("") },
      observe: (definition) => this.#observed(definition),
      startNodes: (request) => this.#startNodes(request),
      close: () => Promise.resolve(),
    };
  }

  #observed(definition: AnyDefinition): AnyDefinition {
    return observed(definition, this.#options.observer);
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

  #stores(node: string): Omit<MeshStores, "profiles"> {
    const clock = this.#clockOf(node);
    const { seed, incarnation, syncMs, syncExtraMs, disk } = this.#options;
    const times = (store: string): DiskTimes => ({
      latency: new KeyedHash(seed, `disk/${store}/${node}/${incarnation}`),
      syncMs,
      extraMs: syncExtraMs,
    });
    return {
      eventLog: new WorldLog(this.#events, clock, times("events")),
      exampleLog: new WorldLog(this.#examples, clock, times("examples")),
      blobs: new WorldBlobs(disk.blobs, clock, times("blobs")),
    };
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
      const { exampleLog, blobs } = this.#stores(name);
      const dense = referenceSessions(this.#options.configuration);
      const definitions = this.#options.program.definitions({ exampleLog, blobs, dense });
      await node.spawn(
        defineNodeActor(node, {
          definitions: definitions.map((definition) => this.#observed(definition)),
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
