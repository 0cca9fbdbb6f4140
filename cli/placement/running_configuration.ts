/**
 * Compares the configuration of a command with those that the hosts of a mesh run with.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { clashingSections, HOSTS_SECTION } from "../../mesh/ports/agreed_sections.ts";
import type { HostRecord, MeshView } from "../../mesh/ports/coordination.ts";
import { configurationDigests, ownDigests } from "../../server/machine/configuration_digests.ts";
import { CommandError } from "../errors.ts";

/** The section that hosts without replicas do not use. */
const SERVING_REPLICAS = "embeddings.serving.replicas";

/** A host whose lease has not ended, and the sections in which a configuration differs from its. */
interface Different {
  readonly host: string;
  readonly sections: readonly string[];
}

/**
 * Requires that the hosts run with the sections of a configuration in which all must agree: no
 * command changes these. The numbers of shards, trainers and partitions are none of them.
 *
 * @throws {CommandError} A host runs with other ones; the message says which, and what to do.
 */
export function requireRunning(
  configuration: CairnConfiguration,
  view: Pick<MeshView, "hosts" | "nowMs">,
): void {
  const agreed = configurationDigests(configuration);
  const clashing = differences(view, (host) => clashingSections(agreed, host.configuration));
  if (clashing.length > 0) {
    throw new CommandError(
      `A running mesh cannot take this configuration: ${runWithOther(clashing)}. Stop all hosts, ` +
        "then start them with this file.",
    );
  }
  const others = differences(view, (host) => differing(agreed, host.configuration));
  if (others.length === 0) return;
  const startedLast =
    others.some(({ sections }) => sections.some((name) => name.startsWith(HOSTS_SECTION)))
      ? `, and start hosts that are new in ${HOSTS_SECTION} last`
      : "";
  throw new CommandError(
    `Hosts take this configuration when they start: ${runWithOther(others)}. ` +
      `Restart them with this file one after another${startedLast}.`,
  );
}

/**
 * The line about sections that a host takes when it starts, and in which hosts may differ until
 * all are restarted; undefined where they run with those of the configuration.
 */
export function restartLine(
  configuration: CairnConfiguration,
  view: Pick<MeshView, "hosts" | "nowMs">,
): string | undefined {
  const own = ownDigests(configuration);
  const others = differences(
    view,
    ({ ownSections, roles }) =>
      differing(own, ownSections)
        .filter((name) => name !== SERVING_REPLICAS || roles.includes("serving")),
  );
  if (others.length === 0) return undefined;
  return `${runWithOther(others)}, which hosts take when they start: restart the hosts with this ` +
    "file, one after another\n";
}

function differences(
  { hosts, nowMs }: Pick<MeshView, "hosts" | "nowMs">,
  sectionsOf: (host: HostRecord) => readonly string[],
): Different[] {
  return [...hosts.values()].filter(({ expiresMs }) => expiresMs > nowMs)
    .map((each) => ({ host: each.host, sections: sectionsOf(each) }))
    .filter(({ sections }) => sections.length > 0);
}

/** The names under which two sets of digests differ. */
function differing(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].filter((name) => a[name] !== b[name]);
}

function runWithOther(others: readonly Different[]): string {
  const hosts = others.map(({ host }) => host).toSorted().join(", ");
  const sections = [...new Set(others.flatMap((each) => each.sections))].toSorted().join(", ");
  return `${hosts} ${others.length > 1 ? "run" : "runs"} with other ${sections}`;
}
