/**
 * A mesh of nodes run by one plan, which lists the actors, their options and the node of each. The
 * same plan with every `node` set to the same name is the single-threaded placement. Several
 * processes run one plan together: each makes the actors of its own nodes.
 */
import type { SpanSeen } from "../ports/tracing.ts";
import type { ActorRef, Address, Message } from "./actor.ts";
import { reasonOf } from "./errors.ts";
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
  /** The name of its node. */
  readonly node: string;
  /**
   * Whether it needs no other actor while it is made: it asks none, or asks again until they are
   * there. Then it is made at the same time as the actors before it, which may take long to load
   * their rows.
   */
  readonly needsNone?: boolean;
}

/** How a mesh starts; see {@link Mesh.start}. */
export interface MeshStartOptions {
  /**
   * Called before each actor is made, with the number of actors before it in the plan and of all
   * actors that this process makes.
   */
  readonly onSpawn?: (actor: PlannedActor, index: number, count: number) => void;
  /**
   * Resolves when the other nodes of this process can make actors; those of the home node are made
   * meanwhile. Default: they can.
   */
  readonly othersBegun?: Promise<unknown> | undefined;
}

/** The home node of a mesh and its definitions. */
export interface MeshOptions {
  /** The node of the thread that starts the mesh. */
  readonly home: Node;
  /** The definitions that the home node can make actors of. */
  readonly composition: NodeComposition;
  /** Budget for making an actor, ms; it may restore gigabytes. Default 120,000. */
  readonly spawnBudgetMs?: number;
  /** Present where other processes run a part of the plan. */
  readonly part?: MeshPart;
}

/** The part of a plan that one of several processes runs. */
export interface MeshPart {
  /** Names of the nodes of this process, the home node included. */
  readonly nodes: readonly string[];
  /**
   * Pause before an actor that could not be made is made again, ms: it may need actors of processes
   * that have not started yet.
   */
  readonly retryMs: number;
}

/** Time in which a busy node has to learn where an actor is, ms. */
const PLACE_BUDGET_MS = 60_000;
/** Longest wait for the end of an actor that was not made in time, ms. */
const END_LATE_BUDGET_MS = 5_000;

/**
 * The nodes and the actors of one plan, started and stopped together.
 *
 * @example
 * ```ts
 * import { SimulatedMesh } from "../simulation/simulated_mesh.ts";
 * import type { ActorDefinition, Request } from "./actor.ts";
 * import { Mesh } from "./mesh.ts";
 *
 * interface Add extends Request<number> {
 *   readonly kind: "add";
 *   readonly amount: number;
 * }
 *
 * const sum: ActorDefinition<Add, { readonly start: number }> = {
 *   kind: "sum",
 *   mailbox: { capacity: 16, overflow: "reject" },
 *   restart: { restartsMax: 3, periodMs: 60_000, backoffMs: 10, backoffMsMax: 1_000 },
 *   priorityOf: () => "write",
 *   create(context, { start }) {
 *     let total = start;
 *     return { receive: (message) => context.reply(message, total += message.amount) };
 *   },
 * };
 *
 * const world = new SimulatedMesh({ seed: 1 });
 * const mesh = new Mesh({ home: world.node(), composition: { definitions: [sum] } });
 * await world.settle(
 *   mesh.start([{ kind: "sum", key: "0", options: { start: 40 }, node: "main" }]),
 * );
 * const answer = mesh.actorRef<Add>("sum/0").ask({ kind: "add", amount: 2 }, { budgetMs: 100 });
 * console.assert(await world.settle(answer) === 42);
 * await world.settle(mesh.stop());
 * ```
 */
export class Mesh {
  readonly home: Node;
  readonly #composition: NodeComposition;
  readonly #spawnBudgetMs: number;
  readonly #part: MeshPart | undefined;
  /** Each ends the pause of an actor that is to be made again. */
  readonly #endPauses = new Set<() => void>();
  #stopping = false;
  readonly #nodes = new Set<string>();
  readonly #started: { readonly address: Address; readonly node: string }[] = [];

  constructor(options: MeshOptions) {
    this.home = options.home;
    this.#composition = options.composition;
    this.#spawnBudgetMs = options.spawnBudgetMs ?? 120_000;
    this.#part = options.part;
  }

  /**
   * Makes the actors in the plan's order; those of one kind that follow each other are made at the
   * same time, and so are those that need no other. While another actor is made it may ask the
   * actors of the kinds before it.
   *
   * @throws {Error} `othersBegun` has rejected, and an actor belongs to another node.
   * @throws {ActorFailedError} An actor cannot be made; the actors before it run on until {@link
   * stop}. Where other processes run a part of the plan, it is made again until {@link stop}.
   */
  async start(
    plan: readonly PlannedActor[],
    { onSpawn = () => {}, othersBegun }: MeshStartOptions = {},
  ): Promise<void> {
    await this.home.spawn(defineNodeActor(this.home, this.#composition), this.home.name, undefined);
    this.home.setPlacement(placementOf(plan));
    const own = plan.filter(({ node }) => this.#part?.nodes.includes(node) ?? true);
    const make = async (actor: PlannedActor, index: number) => {
      if (actor.node !== this.home.name) await othersBegun;
      onSpawn(actor, index, own.length);
      await this.#makePlanned(actor);
    };
    for (let begin = 0, end = 0; begin < own.length; begin = end) {
      const { kind } = own[begin];
      while (end < own.length && (own[end].kind === kind || own[end].needsNone)) end++;
      const from = begin;
      await this.#spawnAll(own.slice(begin, end), (actor, i) => make(actor, from + i));
    }
  }

  /** @throws {ActorFailedError} The first that cannot be made, after the others are. */
  async #spawnAll(
    actors: readonly PlannedActor[],
    make: (actor: PlannedActor, index: number) => Promise<void>,
  ): Promise<void> {
    const outcomes = await Promise.allSettled(actors.map(make));
    actors.forEach((actor, index) => {
      if (outcomes[index].status !== "fulfilled") return;
      this.#started.push({ address: addressOf(actor), node: actor.node });
    });
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  /** Makes an actor; again until {@link stop} where it may need actors of other processes. */
  async #makePlanned(actor: PlannedActor): Promise<void> {
    let logged = "";
    for (;;) {
      try {
        return await this.#make(actor);
      } catch (error) {
        const part = this.#part;
        if (part === undefined || this.#stopping) throw error;
        const reason = reasonOf(error);
        if (reason !== logged) {
          const message = `cannot make ${addressOf(actor)} yet; it is tried again`;
          this.home.telemetry.log("warn", message, { reason });
        }
        logged = reason;
        await this.#pause(part.retryMs);
        if (this.#stopping) throw error;
      }
    }
  }

  async #make({ kind, key, options, node }: PlannedActor): Promise<void> {
    this.#nodes.add(node);
    await this.#node(node).ask({ kind: "spawn", actorKind: kind, key, options }, {
      budgetMs: this.#spawnBudgetMs,
    });
  }

  /** Ends early when the mesh stops. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        this.#endPauses.delete(end);
        resolve();
      };
      const timer = this.home.clock.schedule(ms, end);
      this.#endPauses.add(end);
    });
  }

  /**
   * Makes one more actor. Other nodes send nothing to it before they are told by {@link place}.
   *
   * @throws {ActorFailedError} It cannot be made.
   * @throws {AskTimeoutError} It is not made in time, and is ended as soon as it is.
   */
  async spawn(actor: PlannedActor): Promise<void> {
    try {
      await this.#make(actor);
    } catch (error) {
      if ((error as Error).name === "AskTimeoutError") await this.#endLate(actor);
      throw error;
    }
    this.#started.push({ address: addressOf(actor), node: actor.node });
  }

  /** Ends an actor that is still being made. A node that does not answer makes none. */
  async #endLate(actor: PlannedActor): Promise<void> {
    const stop = { kind: "stop", address: addressOf(actor), drainMs: 0 } as const;
    await this.#node(actor.node).ask(stop, { budgetMs: END_LATE_BUDGET_MS }).catch(() => {});
  }

  /**
   * Ends one actor, after its waiting messages are handled or after `drainMs`.
   *
   * @param hasMoved Another node has the actor already: messages go there from now on.
   * @throws {Error} Its node does not answer: the actor may be there still, and can be ended again.
   */
  async end(address: Address, drainMs = 5_000, hasMoved = false): Promise<void> {
    const node = this.nodeOf(address);
    if (node === undefined) return;
    await this.#node(node).ask({ kind: "stop", address, drainMs, hasMoved }, {
      budgetMs: drainMs + 5_000,
    });
    // Only now: the end of an actor whose node did not answer is tried again.
    const index = this.#started.findIndex((started) => started.address === address);
    if (index >= 0) this.#started.splice(index, 1);
  }

  /** Tells every node of this process where these actors are, of any process. */
  async place(placement: readonly (readonly [Address, string])[]): Promise<void> {
    const nodes = this.#part?.nodes ?? new Set([this.home.name, ...this.#nodes]);
    await Promise.all(
      [...nodes].map((node) =>
        this.#node(node).ask({ kind: "place", placement }, { budgetMs: PLACE_BUDGET_MS })
      ),
    );
  }

  /** The node of an actor; undefined where there is no such actor. */
  nodeOf(address: Address): string | undefined {
    return this.#started.find((started) => started.address === address)?.node;
  }

  /** The actors of a kind that this process has made and not ended. */
  addressesOf(kind: string): Address[] {
    return this.#started.map(({ address }) => address)
      .filter((address) => address.startsWith(`${kind}/`));
  }

  /** A handle to an actor of the plan, on any node. */
  actorRef<M extends Message>(address: Address): ActorRef<M> {
    return this.home.actorRef<M>(address);
  }

  /**
   * Tells an actor that this process has made and not ended, also where messages to its address go
   * to another process by now.
   */
  tellOwn<M extends Message>(address: Address, message: M): void {
    const node = this.nodeOf(address);
    if (node !== undefined) this.#node(node).tell({ kind: "deliver", address, message });
  }

  /** The counters of each node's actors. */
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
   * The snapshot of a node of any process.
   *
   * @throws {Error} The node does not answer within the budget.
   */
  async metricsOf(node: string, budgetMs: number): Promise<unknown> {
    return await this.#node(node).ask({ kind: "getMetrics" }, { budgetMs });
  }

  /**
   * The recent spans of these traces on a node of any process, and those that are linked to them.
   *
   * @throws {Error} The node does not answer within the budget.
   */
  async spansOf(
    node: string,
    traceIds: readonly string[],
    budgetMs: number,
  ): Promise<readonly SpanSeen[]> {
    return await this.#node(node).ask({ kind: "getSpans", traceIds }, { budgetMs });
  }

  /**
   * Ends the actors, newest first, each after its waiting messages are handled or after `drainMs`.
   *
   * @returns Messages and requests given up, by actor, or -1 where it did not end in time or its
   * node is gone; empty after a clean stop.
   */
  async stop(drainMs = 5_000): Promise<Record<Address, number>> {
    this.#stopping = true;
    for (const end of this.#endPauses) end();
    const abandoned: Record<Address, number> = {};
    for (const { address, node } of this.#started.splice(0).reverse()) {
      try {
        const count = await this.#node(node).ask({ kind: "stop", address, drainMs }, {
          budgetMs: drainMs + 5_000,
        });
        if (count > 0) abandoned[address] = count;
      } catch {
        abandoned[address] = -1;
      }
    }
    await this.home.stop(drainMs);
    return abandoned;
  }

  #node(name: string): ActorRef<NodeMessage> {
    return this.home.actorRef<NodeMessage>(`node/${name}`);
  }
}

/** The node of each actor of a plan. */
export function placementOf(plan: readonly PlannedActor[]): [Address, string][] {
  return plan.map((actor) => [addressOf(actor), actor.node]);
}

function addressOf({ kind, key }: PlannedActor): Address {
  return `${kind}/${key}`;
}
