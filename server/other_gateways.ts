/**
 * The gateways of a mesh for each other, by an actor in each process that serves.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import type { OtherActivity } from "../gateway/console/sources.ts";
import {
  defineGatewayActor,
  type GatewayMessage,
  type GatewayState,
} from "../gateway/gateway_actor.ts";
import type { UserEvent, UserRanking } from "../gateway/memory/user_rankings.ts";
import type { NamedRanking, OtherRankings, RememberedRanking } from "../gateway/parts.ts";
import { RankingsUnreadError } from "../mesh/ports/shared_rankings.ts";
import type { Counter } from "../mesh/ports/telemetry.ts";
import type { ActorRef, Address, AskOptions } from "../mesh/runtime/actor.ts";
import { AskTimeoutError, OverloadedError } from "../mesh/runtime/errors.ts";
import type { Mesh } from "../mesh/runtime/mesh.ts";
import { homeNodeOf, servingHostsOfMesh } from "./layout.ts";

/** Time that a gateway has to answer, ms. */
const ASK_BUDGET_MS = 1_000;
/** Longest time for the rankings of events, which wait for them, ms. */
const FIND_BUDGET_MS_MAX = 200;
/** Events of one such ask: the other gateway looks for all of them in one turn. */
const FIND_MAX = 100;

export class OtherGateways implements OtherRankings {
  readonly #mesh: Mesh;
  readonly #hosts: readonly string[];
  readonly #finds: Counter;

  /** @param own This host; undefined = the only process. */
  constructor(configuration: CairnConfiguration, mesh: Mesh, own: string | undefined) {
    this.#mesh = mesh;
    this.#hosts = servingHostsOfMesh(configuration).filter((host) => host !== own);
    this.#finds = mesh.home.telemetry.counter("cairn_gateway_finds_total", {
      help: "Times that another gateway was asked for rankings of events or reports, by outcome: " +
        "answered, late (these no longer waited) or failed (it cannot be reached, or is overloaded).",
      labelNames: ["outcome"],
    });
  }

  /** The activities of the gateways that answer. */
  async activities(): Promise<OtherActivity[]> {
    const asked = await this.#ask(async (host) => ({
      host,
      activity: await this.#refOf(host).ask({ kind: "getActivity" }, { budgetMs: ASK_BUDGET_MS }),
    }));
    return answersOf(asked);
  }

  /**
   * Has the gateways that answer forget a user. One that has ended keeps nothing; one that is cut
   * off keeps its rankings until newer ones replace them.
   */
  async forget(user: string): Promise<void> {
    await this.#ask((host) =>
      this.#refOf(host).ask({ kind: "forgetUser", user }, { budgetMs: ASK_BUDGET_MS })
    );
  }

  /** See {@link OtherRankings}. */
  async findRankings(
    events: readonly UserEvent[],
    withinMs: number,
    budgetMs: number,
  ): Promise<readonly (readonly UserRanking[])[]> {
    const found = await Promise.all(
      chunksOf(events).map(async (events) => {
        const asked = await this.#find(
          (gateway, options) => gateway.ask({ kind: "findRankings", events, withinMs }, options),
          budgetMs,
        );
        const answers = answersOf(asked);
        return events.map((_, i) =>
          answers.flatMap((each) => each[i]).sort((a, b) => b.atMs - a.atMs)
        );
      }),
    );
    return found.flat();
  }

  /** See {@link OtherRankings}. */
  async checkRankings(
    events: readonly NamedRanking[],
    budgetMs: number,
  ): Promise<readonly (RememberedRanking | RankingsUnreadError)[]> {
    const checked = await Promise.all(
      chunksOf(events).map(async (events) => {
        const asked = await this.#find(
          (gateway, options) => gateway.ask({ kind: "checkRankings", events }, options),
          budgetMs,
        );
        const answers = answersOf(asked);
        const otherwise = lateOf(asked) ?? unknownRanking;
        return events.map((_, i) =>
          answers.map((each) => each[i]).find(({ lookup }) => lookup !== "unknown-ranking") ??
            otherwise
        );
      }),
    );
    return checked.flat();
  }

  /** Asks for rankings of events, within a short time. */
  #find<R>(
    ask: (gateway: ActorRef<GatewayMessage>, options: AskOptions) => Promise<R>,
    leftMs: number,
  ): Promise<PromiseSettledResult<R>[]> {
    const budgetMs = Math.min(FIND_BUDGET_MS_MAX, leftMs / 2);
    return this.#ask(async (host) => {
      try {
        const found = await ask(this.#refOf(host), { budgetMs });
        this.#finds.add(1, { outcome: "answered" });
        return found;
      } catch (error) {
        this.#finds.add(1, { outcome: error instanceof AskTimeoutError ? "late" : "failed" });
        throw error;
      }
    });
  }

  #refOf(host: string) {
    return this.#mesh.actorRef<GatewayMessage>(gatewayAddress(host));
  }

  #ask<R>(ask: (host: string) => Promise<R>): Promise<PromiseSettledResult<R>[]> {
    return Promise.allSettled(this.#hosts.map(ask));
  }
}

const unknownRanking: RememberedRanking = { lookup: "unknown-ranking", isUnlogged: false };

function answersOf<R>(asked: readonly PromiseSettledResult<R>[]): R[] {
  return asked.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
}

/** The error for rankings that a gateway may remember which is late or overloaded. */
function lateOf(asked: readonly PromiseSettledResult<unknown>[]): RankingsUnreadError | undefined {
  for (const each of asked) {
    if (each.status === "fulfilled") continue;
    const { reason } = each;
    if (!(reason instanceof AskTimeoutError || reason instanceof OverloadedError)) continue;
    return new RankingsUnreadError(
      "the rankings of other hosts",
      "Send the request again.",
      reason,
    );
  }
}

/** Lets the other gateways reach the state of this one. */
export async function shareGateway(
  configuration: CairnConfiguration,
  mesh: Mesh,
  own: string | undefined,
  state: GatewayState,
): Promise<void> {
  if (own === undefined) return;
  await mesh.home.spawn(defineGatewayActor(state), own, undefined);
  mesh.home.setPlacement(
    servingHostsOfMesh(configuration)
      .map((host) => [gatewayAddress(host), homeNodeOf(host)] as const),
  );
}

function chunksOf<T>(all: readonly T[]): (readonly T[])[] {
  const count = Math.ceil(all.length / FIND_MAX);
  return Array.from({ length: count }, (_, i) => all.slice(i * FIND_MAX, (i + 1) * FIND_MAX));
}

function gatewayAddress(host: string): Address {
  return `gateway/${host}`;
}
