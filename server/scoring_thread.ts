/**
 * The thread of scores where the configuration leaves it to the machine. See ADR 37,
 * docs/adr/0037-score-in-the-main-thread-on-two-cores.md.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";

/** Cores up to which a thread of its own for scores costs more than it gains. */
const CORES_WITH_ONE_MAX = 2;

/**
 * The configuration with `placement.scoringThread` decided.
 *
 * Hosts without a coordination store share one plan, which must not depend on the cores of one of
 * them, so `auto` is `own` in a mesh.
 *
 * @param cores Cores that the process may use.
 */
export function withScoringThread(
  configuration: CairnConfiguration,
  cores: number,
): CairnConfiguration {
  const { placement, mesh } = configuration;
  if (placement.kind !== "workers" || placement.scoringThread !== "auto") return configuration;
  const isShared = mesh === undefined && cores <= CORES_WITH_ONE_MAX;
  return {
    ...configuration,
    placement: { ...placement, scoringThread: isShared ? "main" : "own" },
  };
}
