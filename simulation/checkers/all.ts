/**
 * The checkers of every run.
 */
import type { ProcessWorld } from "../world/process_world.ts";
import { acceptedEvents } from "./accepted_events.ts";
import { admittedRows } from "./admitted_rows.ts";
import { answeredLookups } from "./answered_lookups.ts";
import { ascendingAcceptance } from "./ascending_acceptance.ts";
import { bounded } from "./bounded.ts";
import { averagedWeights } from "./averaged_weights.ts";
import { cancelledRankings } from "./cancelled_rankings.ts";
import type { CheckerFactory } from "./checker.ts";
import { drawnItems } from "./drawn_items.ts";
import { earlyActions } from "./early_actions.ts";
import { currentOpenings } from "./current_openings.ts";
import { erasedUsers } from "./erased_users.ts";
import { exactlyOnce } from "./exactly_once.ts";
import { exampleChunks } from "./example_chunks.ts";
import { heldInvariants } from "./held_invariants.ts";
import { honestFreshness } from "./honest_freshness.ts";
import { joinedExamples } from "./joined_examples.ts";
import { keptFeatures } from "./kept_features.ts";
import { logOffsets } from "./log_offsets.ts";
import { newestWeights } from "./newest_weights.ts";
import { orderedPartitions } from "./ordered_partitions.ts";
import { ownTimers } from "./own_timers.ts";
import { promptAsks } from "./prompt_asks.ts";
import { promptFreshness } from "./prompt_freshness.ts";
import { recommendedItems } from "./recommended_items.ts";
import { ruledRankings } from "./ruled_rankings.ts";
import { refusedRows } from "./refused_rows.ts";
import { reproducedScores } from "./reproduced_scores.ts";
import { servedRows } from "./served_rows.ts";
import { shownItems } from "./shown_items.ts";
import { statedAnswers } from "./stated_answers.ts";
import { supervision } from "./supervision.ts";
import { wholeDeltas } from "./whole_deltas.ts";
import { wholeSnapshots } from "./whole_snapshots.ts";

/** All checkers, for a world that begins. */
export function allCheckers(world: ProcessWorld): CheckerFactory[] {
  const configuration = () => world.configuration;
  const running = () => world.process?.running;
  const serving = () => [running() ?? []].flat().map((mesh) => ({ mesh }));
  return [
    logOffsets,
    acceptedEvents(configuration),
    ascendingAcceptance(world),
    exampleChunks,
    joinedExamples(world.configuration, { latencies: world.latencies }),
    earlyActions(world.configuration),
    shownItems,
    cancelledRankings,
    exactlyOnce,
    currentOpenings,
    orderedPartitions,
    wholeDeltas(configuration),
    wholeSnapshots,
    honestFreshness,
    answeredLookups,
    promptFreshness(world.configuration, world),
    servedRows(running),
    admittedRows(running),
    erasedUsers(serving, () => world.disk.contents()),
    reproducedScores(serving),
    newestWeights(serving),
    recommendedItems(serving),
    refusedRows(running),
    ruledRankings(configuration, serving),
    drawnItems(configuration),
    statedAnswers(configuration),
    supervision,
    heldInvariants,
    keptFeatures,
    promptAsks,
    bounded({
      configuration,
      logBytes: (log) => world.disk.logBytes(log),
      mailboxes: (isNarrow) => world.process?.mailboxes(isNarrow) ?? [],
      isNarrow: world.isNarrow,
    }),
    ownTimers,
    averagedWeights,
  ];
}
