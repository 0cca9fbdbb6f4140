/**
 * The checkers of every run of a mesh of several hosts.
 */
import { acceptedEvents } from "../checkers/accepted_events.ts";
import type { CheckerFactory } from "../checkers/checker.ts";
import { currentOpenings } from "../checkers/current_openings.ts";
import { exactlyOnce } from "../checkers/exactly_once.ts";
import { exampleChunks } from "../checkers/example_chunks.ts";
import { joinedExamples } from "../checkers/joined_examples.ts";
import { keptInvariants } from "../checkers/kept_invariants.ts";
import { logOffsets } from "../checkers/log_offsets.ts";
import { statedAnswers } from "../checkers/stated_answers.ts";
import { supervision } from "../checkers/supervision.ts";
import { wholeSnapshots } from "../checkers/whole_snapshots.ts";
import type { MeshWorld } from "./mesh_world.ts";

/** All checkers, for a world that begins. */
export function meshCheckers(world: MeshWorld): CheckerFactory[] {
  const configuration = () => world.configuration;
  return [
    logOffsets,
    acceptedEvents(configuration),
    exampleChunks,
    joinedExamples(world.configuration),
    exactlyOnce(configuration),
    currentOpenings,
    wholeSnapshots,
    statedAnswers,
    supervision,
    keptInvariants,
  ];
}
