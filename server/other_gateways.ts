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
import type { OtherRankings } from "../gateway/parts.ts";
import type { Counter } from "../mesh/ports/telemetry.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import { AskTimeoutError } from "../mesh/runtime/errors.ts";
import type { Mesh } from "../mesh/runtime/mesh.ts";
import { homeNodeOf, servingHostsOfMesh } from "./layout.ts";

/** Time that a gateway has to answer, ms. */
const ASK_BUDGET_MS = 1_000;
/** Longest time for the rankings of events, which wait for them, ms. */
const FIND_BUDGET_MS_MAX = 200;
/** Events of one such ask: the other gateway looks for all of them in one turn. */
const FIND_EVENTS_MAX = 100;

export class OtherGateways implements OtherRankings {
  readonly #mesh: Mesh;
  readonly #hosts: readonly string[];
  readonly #finds: Counter;

  /** @param own This host; undefined = the only process. */
  constructor(configuration: CairnConfiguration, mesh: Mesh, own: string | undefined) {
    this.#mesh = mesh;
    this.#hosts = servingHostsOfMesh(configuration).filter((host) => host !== own);
    this.#finds = mesh.home.telemetry.counter("cairn_gateway_finds_total", {
      help:
        "Times that another gateway was asked for its rankings of users, by outcome: answered, " +
        "late (the events no longer waited) or failed (it cannot be reached, or is overloaded).",
      labelNames: ["outcome"],
    });
  }

  /** The activities of the gateways that answer. */
  activities(): Promise<OtherActivity[]> {
    return this.#ask(async (host) => ({
      host,
      activity: await this.#refOf(host).ask({ kind: "getActivity" }, { budgetMs: ASK_BUDGET_MS }),
    }));
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
    const findMs = Math.min(FIND_BUDGET_MS_MAX, budgetMs / 2);
    const asked: Promise<readonly (readonly UserRanking[])[]>[] = [];
    for (let i = 0; i < events.length; i += FIND_EVENTS_MAX) {
      asked.push(this.#find(events.slice(i, i + FIND_EVENTS_MAX), withinMs, findMs));
    }
    return (await Promise.all(asked)).flat();
  }

  async #find(
    events: readonly UserEvent[],
    withinMs: number,
    budgetMs: number,
  ): Promise<readonly (readonly UserRanking[])[]> {
    const answers = await this.#ask(async (host) => {
      try {
        const message = { kind: "findRankings", events, withinMs } as const;
        const found = await this.#refOf(host).ask(message, { budgetMs });
        this.#finds.add(1, { outcome: "answered" });
        return found;
      } catch (error) {
        this.#finds.add(1, { outcome: error instanceof AskTimeoutError ? "late" : "failed" });
        throw error;
      }
    });
    return events.map((_, i) =>
      answers.flatMap((found) => found[i]).sort((a, b) => b.atMs - a.atMs)
    );
  }

  #refOf(host: string) {
    return this.#mesh.actorRef<GatewayMessage>(gatewayAddress(host));
  }

  async #ask<R>(ask: (host: string) => Promise<R>): Promise<R[]> {
    const answers = await Promise.allSettled(this.#hosts.map(ask));
    return answers.flatMap((answer) => answer.status === "fulfilled" ? [answer.value] : []);
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

function gatewayAddress(host: string): Address {
  return `gateway/${host}`;
}
