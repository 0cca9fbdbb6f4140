/**
 * The sources of the console, on a mesh that runs: it asks every node of every process, over the
 * links between hosts.
 */
import type { ScorerMessage } from "../actors/scorer/protocol.ts";
import { VALIDATION_INTERVAL_EXAMPLES } from "../actors/trainer/task_validation.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import type { ConsoleSources, HostReading, NodeSpan } from "../gateway/console/sources.ts";
import type { HostDescription } from "../mesh/ports/coordination.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";
import type { HostEnvironment, MeshStores, MetricsPages } from "./environment.ts";
import type { OtherGateways } from "./other_gateways.ts";
import { addresses } from "./addresses.ts";
import { homeNodeOf, nodesOf, type PlannedProcess, processesOf } from "./layout.ts";
import type { StartedActors } from "./start_actors.ts";

/** Time that a node has to answer the console, ms. */
const ASK_BUDGET_MS = 1_000;
/** The same for the explanation of a ranking: one forward pass for each slot of each item. */
const EXPLAIN_BUDGET_MS = 2_000;

/** Hosts by name, of which the console needs the threads. */
type DescribedHosts = ReadonlyMap<string, Pick<HostDescription, "threads">>;

export interface ConsoleEnvironment {
  readonly stores: Pick<MeshStores, "blobs" | "eventLog">;
  readonly values: NonNullable<MetricsPages["values"]>;
  readonly links?: HostEnvironment["links"];
  readonly others: OtherGateways;
  /** Undefined = the only process. */
  readonly host?: string;
}

export function consoleSources(
  configuration: CairnConfiguration,
  { stores, values, links, host: own, others }: ConsoleEnvironment,
  { mesh, meshView }: StartedActors,
): ConsoleSources {
  const processes = processesOf(configuration);
  const addressOf = new Map(
    configuration.mesh?.hosts.map(({ name, address }) => [
      name,
      `${address.hostname}:${address.port}`,
    ]),
  );
  return {
    host: own ?? "",
    hosts: processes.map(({ host = "", roles }) => ({
      host,
      roles,
      address: addressOf.get(host),
    })),
    async metrics() {
      const described = await describedHosts();
      return await Promise.all(processes.map((each) => readingOf(each, described)));
    },
    ...(meshView && { meshView }),
    links: () => links?.() ?? [],
    async spans(traceIds) {
      const described = await describedHosts();
      const found = await Promise.all(processes.map((each) => spansOf(each, traceIds, described)));
      return found.flat();
    },
    otherActivities: () => others.activities(),
    blobs: stores.blobs,
    eventLog: stores.eventLog,
    columns: configuration.joiner,
    validation: { tasks: configuration.trainer.taskNames, examples: VALIDATION_INTERVAL_EXAMPLES },
    explain: (features) =>
      mesh.actorRef<ScorerMessage>(addresses.scorer(own))
        .ask({ kind: "explain", features }, { budgetMs: EXPLAIN_BUDGET_MS }),
  };

  /** The hosts as they describe themselves; without the store, as this host's file has them. */
  async function describedHosts(): Promise<DescribedHosts> {
    try {
      return (await meshView?.())?.hosts ?? new Map();
    } catch {
      return new Map();
    }
  }

  /** All nodes of a host or none: without one of them its counters would seem to go back. */
  async function readingOf(each: PlannedProcess, described: DescribedHosts): Promise<HostReading> {
    const host = each.host ?? "";
    try {
      const snapshots = await Promise.all(
        nodesOfProcess(configuration, each, described).map((node) =>
          mesh.metricsOf(node, ASK_BUDGET_MS)
        ),
      );
      return { host, families: await values(snapshots) };
    } catch (error) {
      return { host, failure: reasonOf(error) };
    }
  }

  async function spansOf(
    each: PlannedProcess,
    traceIds: readonly string[],
    described: DescribedHosts,
  ): Promise<NodeSpan[]> {
    const host = each.host ?? "";
    const answers = await Promise.allSettled(
      nodesOfProcess(configuration, each, described).map(async (node) => {
        const spans = await mesh.spansOf(node, traceIds, ASK_BUDGET_MS);
        return spans.map((span) => ({ ...span, host, node }));
      }),
    );
    return answers.flatMap((answer) => answer.status === "fulfilled" ? answer.value : []);
  }
}

function nodesOfProcess(
  configuration: CairnConfiguration,
  { host }: PlannedProcess,
  described: DescribedHosts,
): string[] {
  const threads = host === undefined ? undefined : described.get(host)?.threads;
  const nodes = nodesOf(configuration, host, threads);
  return [homeNodeOf(host), ...nodes.map(({ name }) => name)];
}
