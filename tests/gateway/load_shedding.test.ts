/**
 * Requests that the process cannot answer in time are shed: a clock stops for the time that the
 * event loop is busy.
 */
import assert from "node:assert/strict";
import { LoadShedding } from "../../gateway/middleware/load_shedding.ts";
import { ProblemError } from "../../gateway/problems.ts";
import { TelemetryRecorder } from "../../mesh/simulation/telemetry_recorder.ts";
import { StoppableClock } from "./stoppable_clock.ts";

/** Throws an error that is not the problem `overloaded`. */
function requireOverloaded(error: unknown): void {
  assert.ok(error instanceof ProblemError && error.kind === "overloaded", String(error));
}

function fixture(requestsInFlightMax = 1024) {
  const clock = new StoppableClock();
  const telemetry = new TelemetryRecorder();
  const load = new LoadShedding(telemetry, clock, { requestsInFlightMax, deadlineMs: 1_000 });
  /** Requests that come at once: returns how many are admitted. */
  const enter = (requests: number) => {
    let admitted = 0;
    for (let i = 0; i < requests; i++) {
      try {
        load.enter();
        admitted++;
      } catch (error) {
        requireOverloaded(error);
      }
    }
    return admitted;
  };
  const leave = (requests: number) => {
    for (let i = 0; i < requests; i++) load.leave();
  };
  const shed = () => telemetry.value("cairn_http_requests_shed_total");
  return { clock, load, enter, leave, shed };
}

Deno.test("bodies that one turn of the event loop has no time for are shed, and not those of the next", () => {
  const { clock, load, enter, shed } = fixture();
  assert.equal(enter(200), 200);
  let parsed = 0;
  for (let i = 0; i < 200; i++) {
    try {
      load.requireTime();
      parsed++;
      clock.stopFor(10);
    } catch (error) {
      requireOverloaded(error);
    }
  }
  assert.equal(parsed, 36, "the look at 100 ms is late by 250 ms after 35 bodies");
  assert.equal(shed(), 164);
  clock.run(0);
  load.requireTime();
});

Deno.test("while rankings are slow, fewer are admitted, and more again as they are quick", () => {
  const { clock, load, enter, leave } = fixture();
  assert.equal(enter(200), 200);
  load.ranked(499);
  clock.run(100);
  assert.equal(enter(10), 10, "rankings within half of the deadline shed nothing");
  load.ranked(500);
  clock.run(100);
  leave(110);
  assert.equal(enter(100), 47, "70 % of 210 requests are left of the limit");
  for (let i = 0; i < 20; i++) {
    load.ranked(1_000);
    clock.run(100);
  }
  leave(147);
  assert.equal(enter(200), 102, "those in progress lower the limit once");
});

Deno.test("an event loop that stands still lowers the limit, which recovers without requests too", () => {
  const { clock, enter, leave } = fixture(500);
  assert.equal(enter(400), 400);
  clock.stopFor(1_000);
  clock.run(0);
  leave(400);
  assert.equal(enter(1_000), 280);
  leave(280);
  clock.run(60_000);
  assert.equal(enter(1_000), 500);
});

Deno.test("a process with few requests sheds none however late it is", () => {
  const { clock, load, enter, leave, shed } = fixture();
  for (let i = 0; i < 50; i++) {
    assert.equal(enter(32), 32);
    load.ranked(5_000);
    clock.stopFor(5_000);
    clock.run(0);
    leave(32);
  }
  assert.equal(shed(), 0);
});
