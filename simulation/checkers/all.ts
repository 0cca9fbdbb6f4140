/**
 * The checkers of every run.
 */
import type { World } from "../world/world.ts";
import { acceptedEvents } from "./accepted_events.ts";
import { ascendingAcceptance } from "./ascending_acceptance.ts";
import { bounded } from "./bounded.ts";
import type { CheckerFactory } from "./checker.ts";
import { exactlyOnce } from "./exactly_once.ts";
import { exampleChunks } from "./example_chunks.ts";
import { honestFreshness } from "./honest_freshness.ts";
import { joinedExamples } from "./joined_examples.ts";
import { servedRows } from "./served_rows.ts";
import { statedAnswers } from "./stated_answers.ts";
import { supervision } from "./supervision.ts";
import { wholeSnapshots } from "./whole_snapshots.ts";

/** All checkers, for a world that begins. */
export function allCheckers(world: World): CheckerFactory[] {
  return [
    acceptedEvents,
    ascendingAcceptance,
    exampleChunks,
    joinedExamples(world.configuration),
    exactlyOnce(() => world.configuration),
    wholeSnapshots,
    honestFreshness,
    servedRows(() => world.process?.running),
    statedAnswers,
    supervision,
    bounded(() => world.configuration, world.disk),
  ];
}
