/**
 * Compares the configuration of a command with those that the hosts of a mesh run with.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { clashingSections, HOSTS_SECTION } from "../../mesh/adapters/tcp/host_identity.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { configurationDigests } from "../../server/machine/configuration_digests.ts";
import { CommandError } from "../errors.ts";

/**
 * Requires that the hosts run with the sections of a configuration in which all of them must agree:
 * no command changes these. The numbers of shards, trainers and partitions are none of them.
 *
 * @throws {CommandError} A host runs with other ones; the message says which, and what to do.
 */
export function requireRunning(
  configuration: CairnConfiguration,
  { hosts, nowMs }: Pick<MeshView, "hosts" | "nowMs">,
): void {
  const own = configurationDigests(configuration);
  const running = [...hosts.values()].filter(({ expiresMs }) => expiresMs > nowMs);
  const others = running.map((each) => {
    const names = new Set([...Object.keys(own), ...Object.keys(each.configuration)]);
    return {
      host: each.host,
      different: [...names].filter((name) => own[name] !== each.configuration[name]),
      clashing: clashingSections(own, each.configuration),
    };
  }).filter(({ different }) => different.length > 0);
  if (others.length === 0) return;
  const clashing = others.flatMap((each) => each.clashing);
  const sections = new Set(
    clashing.length > 0 ? clashing : others.flatMap((each) => each.different),
  );
  const remedy = clashing.length > 0
    ? "Stop all hosts, then start them with this file"
    : `Restart them with this file one after another, and start hosts that are new in ` +
      `${HOSTS_SECTION} last`;
  throw new CommandError(
    `A running mesh cannot take this configuration: ${
      others.map(({ host }) => host).toSorted().join(", ")
    } ${others.length > 1 ? "run" : "runs"} with other ${[...sections].toSorted().join(", ")}. ` +
      `${remedy}.`,
  );
}
