/**
 * Goal: a mark counts for the shards that its trainer meant.
 * Method: two reads at once, of a trainer whose answers come in another order than the questions.
 */
import assert from "node:assert/strict";
import { AcceptanceMarks } from "../../../actors/parameter_sync/acceptance_marks.ts";
import type { AcceptanceMark, Dealing, MarkScope } from "../../../actors/trainer/protocol.ts";
import { LimitedWarnings } from "../../../mesh/runtime/limited_warnings.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";

const dealing: Dealing = { number: 0, trainers: ["trainer/0"] };
const before: MarkScope = { id: "before", incarnations: ["first"], dealing };
const after: MarkScope = { id: "after", incarnations: ["second"], dealing };

Deno.test("an answer without a scope is of the scope that its question named", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const questions: ((mark: AcceptanceMark) => void)[] = [];
  const trainer = {
    address: "trainer/0" as const,
    tell: () => {},
    ask: () => new Promise<never>((answer) => questions.push(answer as () => void)),
  };
  const marks = new AcceptanceMarks(dealing.trainers, {
    context: { actorRef: () => trainer },
    budgetMs: 1_000,
    warnings: new LimitedWarnings(mesh.clock, mesh.telemetry),
  });
  const first = marks.read();
  questions[0]({ learnedThroughMs: 100, progress: 1, scope: before });
  await first;

  const early = marks.read();
  const late = marks.read();
  questions[2]({ learnedThroughMs: 50, progress: 1, scope: after });
  await late;
  assert.deepEqual([marks.learnedThroughMs, marks.incarnationOf(0)], [50, "second"]);
  questions[1]({ learnedThroughMs: 200, progress: 2 });
  await early;
  assert.deepEqual([marks.learnedThroughMs, marks.incarnationOf(0)], [200, "first"]);
});
