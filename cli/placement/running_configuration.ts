/**
 * Compares the configuration of a command with those that the hosts of a mesh run with.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { clashingSections, HOSTS_SECTION } from "../../mesh/ports/agreed_sections.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { configurationDigests, ownDigests } from "../../server/machine/configuration_digests.ts";
import { CommandError } from "../errors.ts";

/**
 * Requires that the hosts run with those sections of a configuration that they take when they are
 * started: no command changes these. The numbers of shards, trainers and partitions are none of
 * them.
 *
 * @throws {CommandError} A host runs with other ones; the message says which, and what to do.
 */
export function requireRunning(
  configuration: CairnConfiguration,
  { hosts, nowMs }: Pick<MeshView, "hosts" | "nowMs">,
): void {
  const agreed = configurationDigests(configuration);
  const own = { ...agreed, ...ownDigests(configuration) };
  const running = [...hosts.values()].filter(({ expiresMs }) => expiresMs > nowMs);
  const others = running.map((each) => {
    const other = { ...each.configuration, ...each.ownSections };
    const names = new Set([...Object.keys(own), ...Object.keys(other)]);
    return {
      host: each.host,
      different: [...names].filter((name) => own[name] !== other[name]),
      clashing: clashingSections(agreed, each.configuration),
    };
  }).filter(({ different }) => different.length > 0);
  if (others.length === 0) return;
  const run = `${others.map(({ host }) => host).toSorted().join(", ")} ${
    others.length > 1 ? "run" : "runs"
  } with other`;
  const clashing = new Set(others.flatMap((each) => each.clashing));
  if (clashing.size > 0) {
    throw new CommandError(
      `A running mesh cannot take this configuration: ${run} ${listOf(clashing)}. ` +
        "Stop all hosts, then start them with this file.",
    );
  }
  const different = new Set(others.flatMap((each) => each.different));
  const startedLast = [...different].some((name) => name.startsWith(HOSTS_SECTION))
    ? `, and start hosts that are new in ${HOSTS_SECTION} last`
    : "";
  throw new CommandError(
    `Hosts take this configuration when they start: ${run} ${listOf(different)}. ` +
      `Restart them with this file one after another${startedLast}.`,
  );
}

function listOf(sections: ReadonlySet<string>): string {
  return [...sections].toSorted().join(", ");
}
