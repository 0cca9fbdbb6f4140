/**
 * A ranking has the rows of every shard while a replica of it can be reached.
 *
 *     ∀ scores that are answered at t without the rows of n shards, looked up since t - budget:
 *         n shards or more have no replica that the scorer knows and that since then
 *         was filled, and whose host and its link with the scorer's host were undisturbed
 *
 * Scores of a process that has died reach no one.
 *
 * A host is disturbed while it or one of its threads stands still; a link while one of its hosts
 * starts or stands still, while it is cut or slow, and until it is made again. A host that starts
 * is seen in Redis, and linked at once.
 */
import type { ChangeReplicas, Scores } from "../../actors/scorer/protocol.ts";
import type { ScorerOptions } from "../../actors/scorer/options.ts";
import type { LoadRows } from "../../actors/serving_replica/protocol.ts";
import type { Address, Message } from "../../mesh/runtime/actor.ts";
import { present } from "../../structures/invariant.ts";
import type { Fault } from "../plan/fault.ts";
import { unconfirmedMsOf } from "../plan/mesh_fault.ts";
import type { Checker, CheckerContext } from "./checker.ts";

const SCORER = "scorer/";
const REPLICA = "serving_replica/";
/** A thread that goes on handles its messages and timers, ms. */
const AWAKE_MS = 200;
/** Syncs that a thread may wait for one after another. */
const SYNCS = 5;
/** The hosts of a world that begins find each other, ms. */
const FOUND_MS = 3_000;
/** A process begins, joins the mesh and is linked, ms. */
const BEGUN_MS = 500;
/** Hosts look at Redis again, and see who has begun meanwhile, ms. */
const SEEN_MS = 2_000;
/** The silence of a machine that died is noticed, ms. */
const NOTICED_MS = 2_000;
/** A link is noticed to be lost, and made again, ms: hosts try every 5 seconds at least. */
const LINKED_MS = 8_000;

export function answeredLookups(context: CheckerContext): Checker {
  return new AnsweredLookups(context);
}

class AnsweredLookups implements Checker {
  readonly name = "answered-lookups";
  readonly #context: CheckerContext;
  readonly #scorers = new Map<Address, Pick<ScorerOptions, "replicas" | "lookupBudgetMs">>();
  /** When each replica got its rows, ms. */
  readonly #filledAtMs = new Map<Address, number>();
  /** Hosts whose process has died, until it begins again. */
  readonly #dead = new Set<string>();
  /** Replicas that are to crash, until they begin again. */
  readonly #crashing = new Set<Address>();
  /** Until when hosts are disturbed, ms. */
  readonly #hosts = new Map<string, number>();
  /** Until when links are, ms: all of a host's by its name, one by both names. */
  readonly #links = new Map<string, number>();
  /** Until when a host that begins may not be seen in Redis, ms. */
  #redisUntilMs = -Infinity;

  constructor(context: CheckerContext) {
    this.#context = context;
  }

  processBegan(host?: string): void {
    this.#lose(host);
    this.#dead.delete(host ?? "");
    const isFirst = !this.#links.has(host ?? "");
    this.#disturb(this.#links, host ?? "", isFirst ? FOUND_MS : BEGUN_MS);
    this.#disturbBegun(this.#redisUntilMs - this.#context.nowMs());
  }

  processDied(host?: string): void {
    this.#lose(host);
    this.#dead.add(host ?? "");
    this.#disturb(this.#links, host ?? "", NOTICED_MS);
  }

  began(actor: Address, _host?: string, options?: unknown): void {
    if (actor.startsWith(SCORER)) this.#scorers.set(actor, options as ScorerOptions);
    if (!actor.startsWith(REPLICA)) return;
    this.#filledAtMs.delete(actor);
    this.#crashing.delete(actor);
  }

  answers(actor: Address, request: Message, value: unknown, host?: string): void {
    if (actor.startsWith(REPLICA) && request.kind === "loadRows") {
      const isLast = (request as LoadRows).position !== undefined;
      if (isLast && !this.#filledAtMs.has(actor)) {
        this.#filledAtMs.set(actor, this.#context.nowMs());
      }
    }
    if (!actor.startsWith(SCORER)) return;
    if (request.kind === "changeReplicas") {
      const { sharding, replicas } = request as ChangeReplicas;
      if (sharding !== (value as { readonly sharding: number }).sharding) return;
      this.#scorers.set(actor, { ...this.#optionsOf(actor), replicas });
    }
    if (request.kind === "score") this.#scored(actor, value as Scores, host);
  }

  #scored(scorer: Address, { shardsAway }: Scores, host = ""): void {
    if (shardsAway === 0 || this.#dead.has(host)) return;
    const { replicas, lookupBudgetMs } = this.#optionsOf(scorer);
    const sinceMs = this.#context.nowMs() - lookupBudgetMs - AWAKE_MS;
    const unreachable = replicas.filter((ofShard) =>
      !ofShard.some((replica) => this.#isReachable(host, replica, sinceMs))
    );
    if (unreachable.length >= shardsAway) return;
    this.#context.fail(
      `${scorer} answered without the rows of ${shardsAway} shards, and ` +
        `${
          replicas.length - unreachable.length
        } of ${replicas.length} shards had a replica in reach`,
    );
  }

  #isReachable(from: string, replica: Address, sinceMs: number): boolean {
    if (this.#crashing.has(replica)) return false;
    if ((this.#filledAtMs.get(replica) ?? Infinity) >= sinceMs) return false;
    const to = hostOf(replica);
    const undisturbed = (untilMs: Map<string, number>, key: string) =>
      (untilMs.get(key) ?? -Infinity) < sinceMs;
    if (!undisturbed(this.#hosts, from) || !undisturbed(this.#hosts, to)) return false;
    return from === to || [from, to, `${from} ${to}`].every((key) => undisturbed(this.#links, key));
  }

  fault(fault: Fault): void {
    switch (fault.kind) {
      case "crashActor":
        return void this.#crashing.add(fault.actor as Address);
      case "interrupt":
        this.#crashing.add(fault.actor as Address);
        return this.#disturb(this.#hosts, hostOfNode(fault.node), fault.forMs);
      case "stallNode":
      case "slowLinks":
        return this.#disturb(this.#hosts, hostOfNode(fault.node), fault.forMs);
      case "slowDisk": // a thread stands still while it waits for a sync
        return this.#disturb(this.#hosts, "", fault.forMs + SYNCS * fault.latencyMs);
      case "pauseHost":
        this.#disturb(this.#hosts, fault.host, fault.forMs);
        return this.#disturb(this.#links, fault.host, fault.forMs + LINKED_MS);
      case "cutHosts":
      case "slowHosts":
        this.#disturb(this.#links, `${fault.from} ${fault.to}`, fault.forMs + LINKED_MS);
        return this.#disturb(this.#links, `${fault.to} ${fault.from}`, fault.forMs + LINKED_MS);
      case "cutRedis":
      case "stopRedis":
      case "slowRedis":
        return this.#disturbRedis(fault.forMs);
      case "failOverRedis":
        return this.#disturbRedis(unconfirmedMsOf(fault) + LINKED_MS);
      case "restartHost":
        return this.#lose(fault.host);
      case "restartProcess":
        return this.#lose(undefined);
    }
  }

  /** The replicas of a process end. */
  #lose(host = ""): void {
    for (const replica of this.#filledAtMs.keys()) {
      if (hostOf(replica) === host) this.#filledAtMs.delete(replica);
    }
  }

  /** Hosts that begin meanwhile are linked as after a cut. */
  #disturbRedis(forMs: number): void {
    const untilMs = this.#context.nowMs() + forMs + SEEN_MS;
    this.#redisUntilMs = Math.max(untilMs, this.#redisUntilMs);
    this.#disturbBegun(forMs + SEEN_MS);
  }

  /** @param forMs Time for which Redis is disturbed yet; none where it is negative. */
  #disturbBegun(forMs: number): void {
    if (forMs < 0) return;
    const nowMs = this.#context.nowMs();
    for (const [link, untilMs] of this.#links) {
      if (untilMs > nowMs) this.#disturb(this.#links, link, forMs + LINKED_MS);
    }
  }

  #disturb(untilMs: Map<string, number>, key: string, forMs: number): void {
    untilMs.set(key, Math.max(this.#context.nowMs() + forMs, untilMs.get(key) ?? 0));
  }

  #optionsOf(scorer: Address) {
    return present(this.#scorers.get(scorer), "a scorer begins before it answers");
  }
}

/** The host in `serving_replica/3@edge`; "" where one process is all. */
function hostOf(actor: Address): string {
  return actor.split("@")[1] ?? "";
}

/** The host in `edge:serving`; "" where one process is all. */
function hostOfNode(node: string): string {
  return node.includes(":") ? node.split(":")[0] : "";
}
