/**
 * Which serving hosts hold which rows, where each shard's are on some of them.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { divisionsOf, withDivisions } from "../../configuration/sharding.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { servingHostNames, ServingReplicas } from "../../server/serving_replicas.ts";
import { counted } from "../../structures/counted.ts";

/** A serving host of the file. */
export interface ServingHost {
  readonly host: string;
  readonly state: "up" | "draining" | "silent" | "not up";
  /** Shards whose rows it holds. */
  readonly shards: readonly number[];
  /**
   * The shards among these whose rows no other host holds that is up and stays so; where this host
   * is not up, those that no host serves.
   */
  readonly alone: readonly number[];
}

/** The serving hosts, by name; none where each of them holds all rows. */
export function servedRows(configuration: CairnConfiguration, view: MeshView): ServingHost[] {
  if (configuration.servingReplicas === "all") return [];
  const present = withDivisions(configuration, divisionsOf(view.identity));
  const replicas = new ServingReplicas(present);
  const hosts = servingHostNames(present).toSorted().map((host) => ({
    host,
    state: stateOf(view, host),
    shards: replicas.heldBy(host).map(({ shard }) => shard),
  }));
  return hosts.map((own) => {
    const others = hosts.filter(({ host, state }) =>
      host !== own.host && (state === "up" || state === "draining" && !isServing(own))
    );
    const elsewhere = new Set(others.flatMap(({ shards }) => shards));
    // The rankings of other hosts would lack the rows; a host by itself harms no other.
    const alone = others.length === 0 ? [] : own.shards.filter((shard) => !elsewhere.has(shard));
    return { ...own, alone };
  });
}

function isServing({ state }: Pick<ServingHost, "state">): boolean {
  return state === "up" || state === "draining";
}

function stateOf({ hosts, nowMs }: MeshView, host: string): ServingHost["state"] {
  const record = hosts.get(host);
  if (record === undefined) return "not up";
  return record.expiresMs <= nowMs ? "silent" : record.state;
}

/** A serving host of a plan as a line. */
export function servingHostLine({ host, state, shards, alone }: ServingHost): string {
  const only = alone.length === 0
    ? ""
    : `; ${isServing({ state }) ? "it alone" : "no host"} serves the rows of ${shardsText(alone)}`;
  return `${host}  ${state}  ${counted(shards.length, "serving replica")}${only}\n`;
}

/** The warning of a drain of this host; empty where other hosts hold all of its rows. */
export function servedAloneLine({ host, alone }: ServingHost): string {
  if (alone.length === 0) return "";
  return `${host} alone serves the rows of ${shardsText(alone)}: while it is stopped, rankings ` +
    "of the other hosts lack them\n";
}

/** The serving hosts of one shard as a line. */
export function servedByLine(hosts: readonly ServingHost[]): string {
  const names = hosts.map(({ host, state }) => state === "up" ? host : `${host} (${state})`);
  return `its rows are served by ${names.join(", ")}${hosts.length === 1 ? " alone" : ""}\n`;
}

function shardsText(shards: readonly number[]): string {
  return `${shards.length === 1 ? "shard" : "shards"} ${shards.join(", ")}`;
}
