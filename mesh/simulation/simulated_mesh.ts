/**
 * A mesh under virtual time, for tests of actors: nodes with the production runtime over a virtual
 * clock, seeded randomness and links that copy.
 */
import { Node } from "../runtime/node.ts";
import type { NodeOptions } from "../runtime/node_options.ts";
import { NodeLink } from "../runtime/node_link.ts";
import { SeededRandom } from "./seeded_random.ts";
import { createSimulatedLinkPair, type SimulatedLinkPair } from "./simulated_link.ts";
import { TelemetryRecorder } from "./telemetry_recorder.ts";
import { VirtualClock } from "./virtual_clock.ts";

export interface SimulatedMeshOptions {
  readonly seed: number;
  /** Wall time at the beginning, ms since the Unix epoch. */
  readonly startMs?: number;
  /** Latency between two nodes, one way, virtual ms. Default 0.05. */
  readonly linkLatencyMs?: number;
}

/**
 * A mesh under virtual time.
 *
 * @example
 * ```ts
 * import { SimulatedMesh } from "./simulated_mesh.ts";
 *
 * const mesh = new SimulatedMesh({ seed: 1 });
 * let ticks = 0;
 * await mesh.settle(mesh.node().spawn({
 *   kind: "ticker",
 *   mailbox: { capacity: 8, overflow: "reject" },
 *   restart: { restartsMax: 1, periodMs: 1_000, backoffMs: 10, backoffMsMax: 10 },
 *   priorityOf: () => "read",
 *   create(context) {
 *     context.schedule(250, { kind: "tick" });
 *     return { receive: () => void (ticks++, context.schedule(250, { kind: "tick" })) };
 *   },
 * }, 0, undefined));
 * await mesh.advance(1_000);
 * console.assert(ticks === 4);
 * await mesh.stop();
 * ```
 */
export class SimulatedMesh {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly telemetry = new TelemetryRecorder();
  readonly #linkLatencyMs: number;
  readonly #nodes = new Map<string, Node>();

  constructor(options: SimulatedMeshOptions) {
    this.clock = new VirtualClock(
      options.startMs === undefined ? {} : { startMs: options.startMs },
    );
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
    this.clock.addOutsideWork({
      inProgress: () => node.handlersWaitingOutside,
      describe: () => node.describeWaiting(),
    });
    this.#nodes.set(name, node);
    return node;
  }

  /** Links two nodes. */
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
    for (const node of [...this.#nodes.values()].reverse()) {
      await this.settle(node.stop(1_000));
    }
  }
}
