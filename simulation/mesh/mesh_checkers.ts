/**
 * The checkers of every run of a mesh of several hosts.
 */
import { abortedMoves } from "../checkers/aborted_moves.ts";
import { acceptedEvents } from "../checkers/accepted_events.ts";
import { admittedRows } from "../checkers/admitted_rows.ts";
import { answeredLookups } from "../checkers/answered_lookups.ts";
import { ascendingAcceptance } from "../checkers/ascending_acceptance.ts";
import { ascendingEpochs } from "../checkers/ascending_epochs.ts";
import { ascendingSnapshots } from "../checkers/ascending_snapshots.ts";
import { attributedEvents } from "../checkers/attributed_events.ts";
import { averagedWeights } from "../checkers/averaged_weights.ts";
import { bounded } from "../checkers/bounded.ts";
import { cancelledRankings } from "../checkers/cancelled_rankings.ts";
import type { CheckerFactory } from "../checkers/checker.ts";
import { currentOpenings } from "../checkers/current_openings.ts";
import { drawnItems } from "../checkers/drawn_items.ts";
import { earlyActions } from "../checkers/early_actions.ts";
import { erasedUsers } from "../checkers/erased_users.ts";
import { exactlyOnce } from "../checkers/exactly_once.ts";
import { exampleChunks } from "../checkers/example_chunks.ts";
import { formerReplicas } from "../checkers/former_replicas.ts";
import { heldInvariants } from "../checkers/held_invariants.ts";
import { honestFreshness } from "../checkers/honest_freshness.ts";
import { joinedExamples } from "../checkers/joined_examples.ts";
import { keptFeatures } from "../checkers/kept_features.ts";
import { keptCommands } from "../checkers/kept_commands.ts";
import { knownRankings } from "../checkers/known_rankings.ts";
import { loggedRankings } from "../checkers/logged_rankings.ts";
import { logOffsets } from "../checkers/log_offsets.ts";
import { newestWeights } from "../checkers/newest_weights.ts";
import { oneCutPerManifest } from "../checkers/one_cut_per_manifest.ts";
import { oneOwnerPerEpoch } from "../checkers/one_owner_per_epoch.ts";
import { ownTimers } from "../checkers/own_timers.ts";
import { orderedPartitions } from "../checkers/ordered_partitions.ts";
import { promptAsks } from "../checkers/prompt_asks.ts";
import { promptFreshness } from "../checkers/prompt_freshness.ts";
import { type HostAtRest, quietMesh } from "../checkers/quiet_mesh.ts";
import { recommendedItems } from "../checkers/recommended_items.ts";
import { ruledRankings } from "../checkers/ruled_rankings.ts";
import { reproducedScores } from "../checkers/reproduced_scores.ts";
import { firstServedDifference } from "../checkers/served_rows.ts";
import type { Serving } from "../checkers/serving.ts";
import { shortFreezes } from "../checkers/short_freezes.ts";
import { shownItems } from "../checkers/shown_items.ts";
import { statedAnswers } from "../checkers/stated_answers.ts";
import { supervision } from "../checkers/supervision.ts";
import { wholeDeltas } from "../checkers/whole_deltas.ts";
import { wholeMoves } from "../checkers/whole_moves.ts";
import { wholeShardings } from "../checkers/whole_shardings.ts";
import { wholeSnapshots } from "../checkers/whole_snapshots.ts";
import { ServingReplicas } from "../../server/serving_replicas.ts";
import { pendingInMesh } from "./mesh_liveness.ts";
import type { MeshWorld } from "./mesh_world.ts";

/** All checkers, for a world that begins. */
export function meshCheckers(world: MeshWorld): CheckerFactory[] {
  const configuration = () => world.configuration;
  const serving = () => servingOf(world);
  return [
    logOffsets,
    acceptedEvents(configuration, world.redis.idsRetainedMs),
    loggedRankings(configuration),
    knownRankings,
    attributedEvents(configuration),
    exampleChunks,
    joinedExamples(world.configuration, { world }),
    earlyActions(world.configuration, world),
    shownItems,
    cancelledRankings,
    exactlyOnce,
    currentOpenings,
    orderedPartitions,
    wholeDeltas(configuration),
    wholeSnapshots,
    honestFreshness,
    answeredLookups,
    statedAnswers(configuration),
    drawnItems(configuration),
    supervision,
    heldInvariants,
    oneOwnerPerEpoch,
    wholeMoves,
    shortFreezes(world.latencies),
    ascendingEpochs,
    ascendingSnapshots,
    oneCutPerManifest,
    abortedMoves,
    keptCommands(() => world.view),
    servedByHosts(world),
    wholeShardings(() => servingOf(world).map(({ mesh }) => mesh)),
    ascendingAcceptance(world),
    promptAsks,
    erasedUsers(serving, () => world.contents()),
    formerReplicas(serving, (host) => world.wallMsOf(host)),
    bounded({
      configuration,
      logBytes: (log) => world.logBytes(log),
      mailboxes: (isNarrow) => world.mailboxes(isNarrow),
      isNarrow: world.isNarrow,
    }),
    admittedRows(() => serving()[0]?.mesh),
    reproducedScores(serving),
    newestWeights(serving),
    recommendedItems(serving),
    ruledRankings(configuration, serving),
    promptFreshness(world.configuration, world),
    keptFeatures,
    ownTimers,
    averagedWeights,
    quietMesh({
      configuration,
      now: () => world.view,
      hosts: () => hostsAtRest(world),
      pending: () => pendingInMesh(world),
      sleep: (ms) => world.sleep(ms),
    }), // the last one: time passes in it
  ];
}

function hostsAtRest(world: MeshWorld): Map<string, HostAtRest> {
  return new Map(world.hosts.map((host) => {
    const running = world.processOf(host);
    const serving = running?.composed?.serving;
    const actors = Array.from(running?.mailboxes() ?? [], ({ actor }) => actor);
    const held = serving ? new ServingReplicas(serving.configuration).heldBy(host) : [];
    return [host, { actors, replicas: held.map(({ replica }) => replica) }];
  }));
}

/** The serving hosts that have started. */
function servingOf(world: MeshWorld): Serving[] {
  return world.hosts.flatMap((host) => {
    const mesh = world.processOf(host)?.composed?.serving;
    return mesh === undefined ? [] : [{ mesh, host }];
  });
}

/** The promise of served rows, for the replicas of each serving host. */
function servedByHosts(world: MeshWorld): CheckerFactory {
  return (context) => ({
    name: "served-rows",
    async atEnd() {
      for (const { mesh, host } of servingOf(world)) {
        const difference = await firstServedDifference(mesh, host);
        if (difference !== undefined) context.fail(`host ${host}: ${difference}`);
      }
    },
  });
}
