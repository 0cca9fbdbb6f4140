/**
 * Compares the configuration of a command with those that the hosts of a mesh run with.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { clashingSections, HOSTS_SECTION } from "../../mesh/ports/agreed_sections.ts";
import type { HostRecord, MeshView } from "../../mesh/ports/coordination.ts";
import { haveCommonSecret } from "../../mesh/runtime/coordination/host_rules.ts";
import { configurationDigests, ownDigests } from "../../server/machine/configuration_digests.ts";
import { secretFingerprints } from "../../server/machine/secret_fingerprints.ts";
import { present } from "../../structures/invariant.ts";
import { CommandError } from "../errors.ts";

/** The section that hosts without replicas do not use. */
const SERVING_REPLICAS = "embeddings.serving.replicas";

/** The secrets of the mesh, of which two hosts need one in common. */
const SECRET = "mesh.secret";

type Mesh = Pick<MeshView, "hosts" | "nowMs">;

/** A host whose lease has not ended, and the sections in which a configuration differs from its. */
interface Different {
  readonly host: string;
  readonly sections: readonly string[];
}

/**
 * Compares a configuration with those that the hosts run with. Of the sections in which all hosts
 * must agree no command changes one; the numbers of shards, trainers and partitions are none of
 * them.
 *
 * @returns The line about sections that a host takes when it starts, and in which hosts may differ
 * until all are restarted; undefined where they run with those of the configuration.
 * @throws {CommandError} A host runs with other sections in which all must agree, or with another
 * secret; the message says which, and what to do.
 */
export function comparedWithHosts(
  configuration: CairnConfiguration,
  view: Mesh,
): string | undefined {
  requireAgreed(configuration, view);
  const secrets = secretFingerprints(present(configuration.mesh, "hosts belong to a mesh"));
  requireSecret(secrets, view);
  const own = ownDigests(configuration);
  const others = differences(view, (host) => {
    const { ownSections, roles } = host;
    const sections = differing(own, ownSections)
      .filter((name) => name !== SERVING_REPLICAS || roles.includes("serving"));
    return secrets.join() === host.secrets.join() ? sections : [...sections, SECRET];
  });
  if (others.length === 0) return undefined;
  return `${runWithOther(others)}, which hosts take when they start: restart the hosts with this ` +
    "file, one after another\n";
}

function requireAgreed(configuration: CairnConfiguration, view: Mesh): void {
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

function requireSecret(secrets: readonly string[], view: Mesh): void {
  const others = differences(
    view,
    (host) => haveCommonSecret(secrets, host.secrets) ? [] : [SECRET],
  );
  if (others.length === 0) return;
  throw new CommandError(
    `A running mesh cannot take this configuration: ${runWithOther(others)}, and hosts without a ` +
      `common one do not link. Set ${SECRET} to that of the hosts; or, to change it, restart them ` +
      "one after another with the new one there and the former one as mesh.secretBefore, or stop " +
      "all hosts first.",
  );
}

function differences(
  { hosts, nowMs }: Mesh,
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
