/**
 * Goal: rounds come at common moments, rarely while nothing is new, and soon after news.
 */
import assert from "node:assert/strict";
import { Rounds } from "../../../actors/parameter_sync/rounds.ts";
import type { ParameterSyncMessage } from "../../../actors/parameter_sync/protocol.ts";
import type { ActorContext } from "../../../mesh/runtime/actor.ts";

/** Rounds over a clock that is moved by hand. Like the real one it counts wall time in whole ms. */
function start() {
  const time = { ms: 0 };
  /** When the next round of each kind is due, ms. */
  const due = new Map<string, number>();
  const context = {
    clock: { nowMs: () => Math.floor(time.ms), monotonicMs: () => time.ms },
    schedule(delayMs: number, { kind }: ParameterSyncMessage) {
      due.set(kind, time.ms + delayMs);
      return { cancel: () => void due.delete(kind) };
    },
  } as unknown as ActorContext<ParameterSyncMessage>;
  const rounds = new Rounds(context, { tellMarks: 100, syncDense: 300, averageDense: 500 });
  /** A round of a kind ends at a time. */
  const ended = (kind: "tellMarks" | "syncDense" | "averageDense", ms: number) => {
    time.ms = ms;
    rounds.next(kind);
  };
  return { rounds, due, time, ended };
}

Deno.test("a round comes at the next multiple of its interval after half of it", () => {
  const { due, ended } = start();
  ended("tellMarks", 149);
  assert.equal(due.get("tellMarks"), 200);
  ended("tellMarks", 151);
  assert.equal(due.get("tellMarks"), 300);
});

Deno.test("quiet rounds come once a second, and averages as ever", () => {
  const { rounds, due, ended } = start();
  rounds.calm();
  for (const kind of ["tellMarks", "syncDense", "averageDense"] as const) ended(kind, 101);
  assert.deepEqual([...due.values()], [1_000, 1_000, 500]);
});

Deno.test("news brings all rounds forward, also those that were quiet before it was found", () => {
  const { rounds, due, time, ended } = start();
  rounds.calm();
  ended("tellMarks", 101);
  ended("syncDense", 101);
  ended("syncDense", 1_000.2); // a quiet round that found nothing, just before the other one
  time.ms = 1_000.9;
  rounds.hasten();
  ended("tellMarks", 1_001);
  assert.deepEqual([due.get("tellMarks"), Math.floor(due.get("syncDense")!)], [1_100, 1_200]);
  rounds.hasten();
  assert.equal(due.get("tellMarks"), 1_100);
});

Deno.test("news does not put off a round that is due sooner", () => {
  const { rounds, due, time, ended } = start();
  rounds.calm();
  ended("tellMarks", 101);
  time.ms = 110;
  rounds.hasten();
  assert.equal(due.get("tellMarks"), 200);
  rounds.calm();
  time.ms = 150;
  rounds.hasten();
  assert.equal(due.get("tellMarks"), 200);
});
