import assert from "node:assert/strict";
import { encodeEvent } from "../../../records/event_record.ts";
import { ACCEPTANCE_STEP_MS } from "../../../mesh/ports/event_log.ts";
import { ascendingAcceptance } from "../../../simulation/checkers/ascending_acceptance.ts";

/** Whether the promise holds for events of one partition that were accepted at these times, ms. */
function holds(times: readonly number[], latestWallMs: number): boolean {
  let failures = 0;
  const context = { nowMs: () => 0, fail: () => void failures++ };
  const checker = ascendingAcceptance({ latestWallMs })(context);
  const records = times.map((acceptedAtMs, i) =>
    encodeEvent({
      kind: "action",
      eventId: `e${i}`,
      rankingId: "r",
      item: "i",
      action: "click",
      atMs: 0,
      acceptedAtMs,
    })
  );
  checker.durable?.("events", 0, records, 0);
  return failures === 0;
}

Deno.test("acceptance times ascend", () => {
  assert.ok(holds([1, 2, 3], 3));
  assert.ok(!holds([1, 2, 2], 3));
});

Deno.test("acceptance times are ahead of every clock by a step for each event at most", () => {
  const steps = [1, 2, 3].map((step) => 100 + step * ACCEPTANCE_STEP_MS);
  assert.ok(holds(steps, 100));
  assert.ok(!holds(steps.map((atMs) => atMs + ACCEPTANCE_STEP_MS), 100));
  assert.ok(!holds([101], 100));
});
