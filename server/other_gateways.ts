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
import type { Address } from "../mesh/runtime/actor.ts";
import type { Mesh } from "../mesh/runtime/mesh.ts";
import { homeNodeOf, servingHostsOfMesh } from "./layout.ts";

/** Time that a gateway has to answer, ms. */
const ASK_BUDGET_MS = 1_000;

export class OtherGateways {
  readonly #mesh: Mesh;
  readonly #hosts: readonly string[];

  /** @param own This host; undefined = the only process. */
  constructor(configuration: CairnConfiguration, mesh: Mesh, own: string | undefined) {
    this.#mesh = mesh;
    this.#hosts = servingHostsOfMesh(configuration).filter((host) => host !== own);
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
