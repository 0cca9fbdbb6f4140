/**
 * The threads of one simulated process: nodes over revocable clocks, linked with each other.
 * Killing it revokes every clock at once, so nothing of it can act any more.
 */
import type { Address } from "../../mesh/runtime/actor.ts";
import { Node } from "../../mesh/runtime/node.ts";
import { type AnyDefinition, defineNodeActor } from "../../mesh/runtime/node_actor.ts";
import { NodeLink } from "../../mesh/runtime/node_link.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import type { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import type { NodesRequest } from "../../server/environment.ts";
import { KeyedHash } from "../keyed_hash.ts";
import type { RunConditions } from "../plan/run_conditions.ts";
import { SEED_END } from "../seed.ts";
import { NodeClock } from "./node_clock.ts";
import { type ActorObserver, observed, type PendingAsk } from "./observed.ts";
import { PriorityTurns } from "./priority_turns.ts";
import { createWorldLink } from "./world_link.ts";
import type { WorldTelemetry } from "./world_telemetry.ts";

/** The conditions of a run that the threads of a process have to know. */
type ThreadConditions = Pick<
  RunConditions,
  "seed" | "linkMs" | "turnMessagesMax" | "priorityChanges" | "shardMailboxMax"
>;

/** The surroundings of the threads of a process. */
export interface ProcessNodesOptions extends ThreadConditions {
  /** From 0. */
  readonly incarnation: number;
  /** The host of a mesh that the process is; undefined = the only process. */
  readonly host?: string;
  readonly clock: VirtualClock;
  /** By how much the process's wall clock is ahead of `clock`, ms. Default: it is not. */
  readonly clockAheadMs?: () => number;
  readonly telemetry: WorldTelemetry;
  readonly observer: ActorObserver;
  readonly linkExtraMs: (node: string) => number;
  /** Whether faults are over. Default: they are not. */
  readonly isHealed?: () => boolean;
  readonly callbackRan: () => void;
  /** A part is gone for good. */
  readonly onFatal: (actor: Address, error: Error) => void;
  /** An actor used up its restarts, and is restarted all the same. */
  readonly onExceeded: (actor: Address, error: Error) => void;
}

/** The messages that wait at an actor. */
export interface MailboxState {
  readonly actor: Address;
  readonly queued: number;
  /** Messages that its mailbox holds of each priority. */
  readonly capacity: number;
}

interface Mailbox {
  readonly node: Node;
  readonly capacity: number;
  /** Whether the capacity is smaller than in production. */
  readonly isNarrow: boolean;
}

/** Monotonic times of threads differ by less, ms. */
const ORIGIN_MS_END = 4_096;

export class ProcessNodes {
  readonly #options: ProcessNodesOptions;
  readonly #clocks = new Map<string, NodeClock>();
  /** Threads by name. */
  readonly #nodes = new Map<string, Node>();
  readonly #asks = new Set<PendingAsk>();
  /** Observed actors, with their threads. */
  readonly #mailboxes = new Map<Address, Mailbox>();

  constructor(options: ProcessNodesOptions) {
    this.#options = options;
  }

  /** Makes the node of a thread. */
  add(name: string): Node {
    const { clock, telemetry, seed, incarnation, turnMessagesMax, callbackRan } = this.#options;
    const { priorityChanges, isHealed = () => false, clockAheadMs } = this.#options;
    const originMs = new KeyedHash(seed, `origin/${name}`).uint32(incarnation) % ORIGIN_MS_END;
    const nodeClock = new NodeClock(clock, callbackRan, clockAheadMs, originMs);
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
      ...(priorityChanges !== undefined && {
        turnQueue: new PriorityTurns(
          new KeyedHash(seed, `turns/${name}/${incarnation}`),
          priorityChanges,
          isHealed,
        ),
      }),
      onFailure: ({ address, error, restartsInMs }) => {
        const { onFatal, onExceeded } = this.#options;
        const report = restartsInMs === undefined ? onFatal : onExceeded;
        report(address, error instanceof Error ? error : new Error(String(error)));
      },
    });
    this.#nodes.set(name, node);
    return node;
  }

  /**
   * Makes and links the other nodes of a process.
   *
   * @param open Opens the definitions that a node can make actors of.
   */
  async start(
    { nodes, placement }: NodesRequest,
    open: (node: string) => Promise<readonly AnyDefinition[]>,
  ): Promise<void> {
    for (const { name } of nodes) this.add(name);
    const all = [...this.#nodes.values()];
    all.forEach((left, i) => {
      for (const right of all.slice(i + 1)) this.#link(left, right);
    });
    for (const { name } of nodes) {
      const node = this.#nodes.get(name);
      if (node === undefined) continue;
      node.setPlacement(placement);
      const definitions = await open(name);
      await node.spawn(
        defineNodeActor(node, {
          definitions: definitions.map((definition) => this.observed(definition, name)),
        }),
        name,
        undefined,
      );
    }
  }

  /** The definition, observed in a thread. */
  observed(definition: AnyDefinition, node: string): AnyDefinition {
    const { host, observer } = this.#options;
    const narrowed = this.#narrowed(definition);
    const mailbox: Mailbox = {
      node: this.nodeOf(node),
      capacity: narrowed.mailbox.capacity,
      isNarrow: narrowed !== definition,
    };
    return observed(narrowed, observer, {
      clock: this.clockOf(node),
      asks: this.#asks,
      created: (actor) => void this.#mailboxes.set(actor, mailbox),
      ...(host !== undefined && { host }),
    });
  }

  /** Actors whose askers wait when it is full have a smaller mailbox where a run asks for it. */
  #narrowed(definition: AnyDefinition): AnyDefinition {
    const { shardMailboxMax } = this.#options;
    if (shardMailboxMax === undefined || definition.mailbox.overflow !== "backpressure") {
      return definition;
    }
    return { ...definition, mailbox: { ...definition.mailbox, capacity: shardMailboxMax } };
  }

  /**
   * The mailboxes of all observed actors.
   *
   * @param isNarrow Whether to leave out mailboxes that are as large as in production.
   */
  *mailboxes(isNarrow = false): Iterable<MailboxState> {
    for (const [actor, mailbox] of this.#mailboxes) {
      if (isNarrow && !mailbox.isNarrow) continue;
      const queued = mailbox.node.queued(actor);
      if (queued !== undefined) yield { actor, queued, capacity: mailbox.capacity };
    }
  }

  /** @throws {Error} There is no such node. */
  clockOf(node: string): NodeClock {
    const clock = this.#clocks.get(node);
    if (clock === undefined) throw new Error(`there is no node ${node}`);
    return clock;
  }

  /** @throws {Error} There is no such node. */
  nodeOf(name: string): Node {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  /** No timer fires and no message arrives any more. */
  revoke(): void {
    for (const clock of this.#clocks.values()) clock.revoke();
  }

  /** The thread stands still; a name that this process does not have stands for none. */
  stall(node: string, forMs: number): void {
    this.#clocks.get(node)?.stall(forMs);
  }

  /** All threads stand still. */
  stallAll(forMs: number): void {
    for (const clock of this.#clocks.values()) clock.stall(forMs);
  }

  /** Ends all stalls. */
  wake(): void {
    for (const clock of this.#clocks.values()) clock.wake();
  }

  /** Asks of actors that live and that should have ended so long ago. */
  overdueAsks(lateMs: number): PendingAsk[] {
    return [...this.#asks].filter((ask) => ask.overdueMs() > lateMs && ask.isCurrent());
  }

  #link(left: Node, right: Node): void {
    const { seed, incarnation, linkMs, linkExtraMs } = this.#options;
    const side = (from: Node, to: Node) => ({
      receiver: this.clockOf(to.name),
      latency: new KeyedHash(seed, `link/${from.name}/${to.name}/${incarnation}`),
      latencyMs: linkMs,
      extraMs: () => linkExtraMs(to.name),
    });
    const link = createWorldLink(side(left, right), side(right, left));
    new NodeLink(left, right.name, link.left);
    new NodeLink(right, left.name, link.right);
  }
}
