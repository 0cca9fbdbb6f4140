/**
 * A mesh of nodes run by one plan: which actors there are, with which options, and where each lives. The same plan
 * with every `node` set to the same name is the single-threaded placement.
 */
import type { ActorRef, Address, Message } from "./actor.ts";
import type { Node } from "./node.ts";
import {
  defineNodeActor,
  type NodeComposition,
  type NodeMessage,
  type NodeStatistics,
} from "./node_actor.ts";

/** One actor of a plan. */
export interface PlannedActor {
  readonly kind: string;
  readonly key: string;
  /** Plain data. */
  readonly options: unknown;
  /** The name of the node where it lives. */
  readonly node: string;
}

/** What a mesh is started with. */
export interface MeshOptions {
  /** The node of the thread that starts the mesh. */
  readonly home: Node;
  /** What the home node can make. */
  readonly composition: NodeComposition;
  /** Budget for making one actor (it may restore gigabytes), ms. Default 120,000. */
  readonly spawnBudgetMs?: number;
}

/** The nodes and the actors of one plan, started and stopped together. */
export class Mesh {
  readonly home: Node;
  readonly #composition: NodeComposition;
  readonly #spawnBudgetMs: number;
  readonly #nodes = new Set<string>();
  readonly #started: { readonly address: Address; readonly node: string }[] = [];

  constructor(options: MeshOptions) {
    this.home = options.home;
    this.#composition = options.composition;
    this.#spawnBudgetMs = options.spawnBudgetMs ?? 120_000;
  }

  /**
   * Makes the actors in the plan's order: each may ask those before it while it is made.
   *
   * @throws {ActorFailedError} The first that cannot be made; those before it run on until {@link stop}.
   */
  async start(plan: readonly PlannedActor[]): Promise<void> {
    await this.home.spawn(defineNodeActor(this.home, this.#composition), this.home.name, undefined);
    this.home.place(placementOf(plan));
    for (const { kind, key, options, node } of plan) {
      this.#nodes.add(node);
      await this.#node(node).ask({ kind: "spawn", actorKind: kind, key, options }, {
        budgetMs: this.#spawnBudgetMs,
      });
      this.#started.push({ address: `${kind}/${key}`, node });
    }
  }

  /** A handle to an actor of the plan, whichever node it lives in. */
  actorRef<M extends Message>(address: Address): ActorRef<M> {
    return this.home.actorRef<M>(address);
  }

  /** What each node counts about its actors. */
  async statistics(budgetMs = 1_000): Promise<({ readonly node: string } & NodeStatistics)[]> {
    const nodes = [...this.#nodes];
    return await Promise.all(nodes.map(async (node) => ({
      node,
      ...await this.#node(node).ask({ kind: "getStatistics" }, { budgetMs }),
    })));
  }

  /** Every node's snapshot of its instruments. */
  async metrics(budgetMs = 1_000): Promise<unknown[]> {
    const nodes = new Set([this.home.name, ...this.#nodes]);
    return await Promise.all(
      [...nodes].map((node) => this.#node(node).ask({ kind: "getMetrics" }, { budgetMs })),
    );
  }

  /**
   * Ends the actors, newest first, each after what waits for it is handled or after `drainMs`.
   *
   * @returns Messages and requests given up, by actor; empty after a clean stop.
   */
  async stop(drainMs = 5_000): Promise<Record<Address, number>> {
    const abandoned: Record<Address, number> = {};
    for (const { address, node } of this.#started.splice(0).reverse()) {
      try {
        const count = await this.#node(node).ask({ kind: "stop", address, drainMs }, {
          budgetMs: drainMs + 5_000,
        });
        if (count > 0) abandoned[address] = count;
      } catch {
        abandoned[address] = -1; // its node is gone, and with it what waited there
      }
    }
    await this.home.stop(drainMs);
    return abandoned;
  }

  #node(name: string): ActorRef<NodeMessage> {
    return this.home.actorRef<NodeMessage>(`node/${name}`);
  }
}

/** What every node must know of a plan: who lives where. */
export function placementOf(plan: readonly PlannedActor[]): [Address, string][] {
  return plan.map(({ kind, key, node }) => [`${kind}/${key}`, node]);
}
