/**
 * A mesh under virtual time: nodes that run the production runtime over a virtual clock, seeded randomness and links
 * that copy. What tests of actors begin with:
 *
 * ```ts ignore
 * const mesh = new SimulatedMesh({ seed: 1 });
 * const shard = await mesh.node().spawn(embeddingShard, 0, options);
 * const answer = await mesh.settle(shard.ask({ kind: "getStatistics" }, { budgetMs: 100 }));
 * await mesh.advance(1_000);
 * ```
 */
import { Node, type NodeOptions } from "../runtime/node.ts";
import { NodeLink } from "../runtime/node_link.ts";
import { SeededRandom } from "./seeded_random.ts";
import { createSimulatedLinkPair, type SimulatedLinkPair } from "./simulated_link.ts";
import { TelemetryRecorder } from "./telemetry_recorder.ts";
import { VirtualClock } from "./virtual_clock.ts";

export interface SimulatedMeshOptions {
  readonly seed: number;
  /** Wall time at the beginning, ms since the Unix epoch. */
  readonly startMs?: number;
  /** From node to node, one way, virtual ms. Default 0.05. */
  readonly linkLatencyMs?: number;
}

export class SimulatedMesh {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly telemetry = new TelemetryRecorder();
  readonly #linkLatencyMs: number;
  readonly #nodes = new Map<string, Node>();

  constructor(options: SimulatedMeshOptions) {
    this.clock = new VirtualClock(options.startMs);
    this.random = new SeededRandom(options.seed);
    this.#linkLatencyMs = options.linkLatencyMs ?? 0.05;
  }

  /** The node of this name, made on first use. Its messages are copied, as between threads. */
  node(
    name = "main",
    options: Partial<Omit<NodeOptions, "name" | "clock" | "random" | "telemetry">> = {},
  ): Node {
    const existing = this.#nodes.get(name);
    if (existing) return existing;
    const node = new Node({
      copyMessages: true,
      ...options,
      name,
      clock: this.clock,
      random: this.random,
      telemetry: this.telemetry,
    });
    this.#nodes.set(name, node);
    this.clock.addOutsideWork(() => node.handlersWaitingOutside);
    return node;
  }

  link(left: Node, right: Node): SimulatedLinkPair {
    const pair = createSimulatedLinkPair(this.clock, this.#linkLatencyMs);
    new NodeLink(left, right.name, pair.left);
    new NodeLink(right, left.name, pair.right);
    return pair;
  }

  /** Lets virtual time pass. */
  advance(ms: number): Promise<void> {
    return this.clock.advance(ms);
  }

  /** Lets virtual time pass until the condition holds; fails after `msMax`. */
  advanceUntil(condition: () => boolean, msMax?: number): Promise<void> {
    return this.clock.advanceUntil(condition, msMax);
  }

  /** Lets virtual time pass until the promise settles. */
  settle<T>(promise: Promise<T>, msMax?: number): Promise<T> {
    return this.clock.settle(promise, msMax);
  }

  /** Stops all nodes, newest first. */
  async stop(): Promise<void> {
    for (const node of [...this.#nodes.values()].reverse()) await this.settle(node.stop(1_000));
  }
}
