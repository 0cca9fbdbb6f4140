/**
 * Goal: sampling and weights of the examples that decided rows become.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { EventRecord } from "../../../records/event_record.ts";
import { action, impression, joinerOptions } from "./records.ts";
import { join } from "./joined_records.ts";

Deno.test("sampling drops only negatives, and every example carries the rate", () => {
  const records: EventRecord[] = [];
  for (let i = 0; i < 200; i++) {
    records.push(impression({ ranking: `r${i}`, items: ["a", "b"], atMs: 0 }));
    records.push(action({ ranking: `r${i}`, item: "a", action: "buy", atMs: 0 }));
  }
  records.push(impression({ ranking: "end", items: ["z"], atMs: 1_000 }));
  const { examples, counts } = join(
    records,
    joinerOptions({ negativeSampling: { rate: 0.25, seed: 5, correction: "logOdds" } }),
  );
  const negatives = examples.filter((e) => e.label === 0).length;
  assert.equal(examples.filter((e) => e.label === 1).length, 200);
  assert.equal(negatives + counts.examplesSampledOut, 200);
  assert.ok(negatives > 25 && negatives < 75, `${negatives} negatives kept`);
  assert.ok(examples.every((e) => Math.abs(e.logSampleRate - Math.log(0.25)) < 1e-6));
});

Deno.test("with weights, only an example that is negative in all tasks carries the rate", () => {
  const records: EventRecord[] = [];
  for (let i = 0; i < 200; i++) {
    records.push(impression({ ranking: `r${i}`, items: ["a", "b"], atMs: 0 }));
    records.push(action({ ranking: `r${i}`, item: "a", action: "buy", atMs: 0 }));
  }
  records.push(impression({ ranking: "end", items: ["z"], atMs: 1_000 }));
  const { examples } = join(
    records,
    joinerOptions({ negativeSampling: { rate: 0.25, seed: 5, correction: "weight" } }),
  );
  for (const { label, logSampleRate } of examples) {
    assert.ok(Math.abs(logSampleRate - (label === 1 ? 0 : Math.log(0.25))) < 1e-6);
  }
  assert.ok(examples.some(({ label }) => label === 0));
});

Deno.test("every shown item becomes exactly one example, whatever actions come", () => {
  fc.assert(fc.property(
    fc.array(
      fc.record({
        ranking: fc.integer({ min: 0, max: 8 }),
        item: fc.integer({ min: 0, max: 3 }),
        action: fc.constantFrom("click", "buy", "dislike", "unknown"),
        stepMs: fc.integer({ min: 0, max: 400 }),
        impression: fc.boolean(),
      }),
      { maxLength: 120 },
    ),
    (steps) => {
      let atMs = 0;
      let shown = 0;
      const records: EventRecord[] = [];
      steps.forEach((step, i) => {
        atMs += step.stepMs;
        if (step.impression) {
          records.push(impression({ ranking: `n${i}-${step.ranking}`, items: ["0", "1"], atMs }));
          shown += 2;
        } else {
          const rankings = records.filter((r) => r.kind === "impression");
          const ranking = rankings[step.ranking % Math.max(1, rankings.length)]?.rankingId ??
            "none";
          records.push(
            action({ ranking, item: String(step.item % 3), action: step.action, atMs }),
          );
        }
      });
      records.push(impression({ ranking: "end", items: [], atMs: atMs + 1_000 }));
      const { examples, counts } = join(records);
      const names = new Set(examples.map((e) => e.name));
      assert.equal(names.size, examples.length);
      assert.equal(examples.length, shown);
      const actions = records.filter((r) => r.kind === "action").length;
      assert.equal(
        counts.actionsMatched + counts.actionsLate + counts.actionsUnmatched +
          counts.actionsIgnored + counts.actionsDuplicate + counts.actionsExcess,
        actions,
      );
    },
  ));
});

Deno.test("examples of an impression whose rows are a sample carry the rows' share", () => {
  const sampled = {
    ...impression({ ranking: "r1", items: ["a", "b"], atMs: 0 }),
    logSampleRate: Math.log(0.25),
  };
  const records = [
    sampled,
    action({ ranking: "r1", item: "a", action: "click", atMs: 1 }),
    impression({ ranking: "r2", items: ["c"], atMs: 1_000 }),
  ];
  const rates = (correction: "logOdds" | "weight") => {
    const negativeSampling = { rate: 1, seed: 1, correction } as const;
    const { examples } = join(records, joinerOptions({ negativeSampling }));
    return examples.map((
      { name, logSampleRate },
    ) => [name, Number(Math.exp(logSampleRate).toFixed(6))]);
  };
  assert.deepEqual(rates("logOdds"), [["r1/a", 0.25], ["r1/b", 0.25]], "all rows");
  assert.deepEqual(rates("weight"), [["r1/a", 1], ["r1/b", 0.25]], "negatives only");
});
