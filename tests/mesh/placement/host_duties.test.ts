import assert from "node:assert/strict";
import type { HostRun, Placement } from "../../../mesh/ports/coordination.ts";
import {
  dutiesOf,
  FROZEN_MS_MAX,
  type Holding,
  type HostDuty,
  hostStep,
  isSameDuty,
} from "../../../mesh/placement/host_duties.ts";
import { meshView } from "./mesh_view.ts";

const [a, b] = ["a", "b"].map((host) => ({ host, incarnation: `${host}-1` }));
const moving = (phase: "filling" | "frozen", epoch = 3): Placement => ({
  state: "moving",
  owner: a,
  target: b,
  phase,
  epoch,
});
const rows = (epoch: number, givesTo?: HostRun, frozenForMs = 0): Holding => ({
  kind: "rows",
  epoch,
  givesTo,
  frozenForMs,
});
const copy = (epoch: number, verified: boolean): Holding => ({ kind: "copy", epoch, verified });

/** The duty of a run for one shard of a mesh with this placement. */
function dutyOf(placement: Placement, run = b): HostDuty | undefined {
  return dutiesOf(meshView({ placements: { "shard/0": placement } }), run).get("shard/0");
}

const step = (placement: Placement, holding: Holding | undefined, run = b) =>
  hostStep(dutyOf(placement, run), holding).kind;

Deno.test("a host without a duty frees what it holds", () => {
  const elsewhere: Placement = { state: "active", owner: a, epoch: 3 };
  assert.equal(step(elsewhere, undefined), "nothing");
  assert.equal(step(elsewhere, rows(2)), "drop");
  assert.equal(step(elsewhere, copy(3, true)), "drop");
});

Deno.test("an owner restores once an epoch, and reports it", () => {
  const restoring: Placement = { state: "restoring", owner: b, epoch: 3 };
  assert.equal(step(restoring, undefined), "restore");
  assert.equal(step(restoring, rows(2)), "drop");
  assert.equal(step(restoring, rows(3)), "reportActive");
});

Deno.test("the owner of an aborted move goes on when the store says so, and not before", () => {
  assert.equal(step(moving("frozen"), rows(3, b), a), "nothing");
  assert.equal(step({ state: "active", owner: a, epoch: 3 }, rows(3, b), a), "endGiving");
  const toOther: Placement = {
    ...moving("filling"),
    target: { host: "c", incarnation: "c-1" },
  } as Placement;
  assert.equal(step(toOther, rows(3, b), a), "endGiving");
});

Deno.test("duties differ where they ask for another step, also by another party of the move", () => {
  const toOther = { ...moving("filling"), target: { host: "b", incarnation: "b-2" } } as Placement;
  const fromOther = { ...moving("filling"), owner: { host: "c", incarnation: "c-1" } } as Placement;
  assert.ok(isSameDuty(dutyOf(moving("filling")), dutyOf(moving("filling"))));
  assert.ok(isSameDuty(undefined, undefined));
  for (const other of [moving("frozen"), moving("filling", 4), toOther]) {
    assert.ok(!isSameDuty(dutyOf(moving("filling"), a), dutyOf(other, a)));
  }
  assert.ok(!isSameDuty(dutyOf(moving("filling")), dutyOf(fromOther)));
  assert.ok(!isSameDuty(dutyOf(moving("filling")), undefined));
});

Deno.test("an owner that is frozen for too long asks the store to abort its move, in any phase", () => {
  const { frozen, late } = {
    frozen: rows(3, b, FROZEN_MS_MAX - 1),
    late: rows(3, b, FROZEN_MS_MAX),
  };
  for (const phase of ["filling", "frozen"] as const) {
    assert.equal(step(moving(phase), frozen, a), "nothing");
    assert.equal(step(moving(phase), late, a), "abortMove");
  }
  assert.equal(step({ state: "active", owner: a, epoch: 3 }, late, a), "endGiving");
  assert.equal(step({ state: "active", owner: b, epoch: 4 }, late, a), "drop", "it was committed");
});

Deno.test("a target copies, takes the shard over by its verified copy, and promotes it then", () => {
  assert.equal(step(moving("filling"), undefined), "startCopy");
  assert.equal(step(moving("filling"), copy(3, false)), "nothing");
  assert.equal(step(moving("frozen"), copy(3, true)), "takeOver");
  assert.equal(step(moving("filling"), copy(3, true)), "nothing", "of an aborted move, perhaps");
  assert.equal(step(moving("frozen"), copy(3, false)), "nothing");
  assert.equal(step({ state: "active", owner: b, epoch: 4 }, copy(3, true)), "promote");
});

Deno.test("rows of an earlier ownership are freed before a host copies the shard again", () => {
  // A paused host has missed that it gave the shard away.
  assert.equal(step(moving("filling", 4), rows(3, a)), "drop");
  assert.equal(step(moving("filling", 4), copy(3, true)), "drop");
});

Deno.test("a host that owns rows that it does not have joins anew", () => {
  const active: Placement = { state: "active", owner: b, epoch: 4 };
  assert.equal(step(active, undefined), "rejoin");
  assert.equal(step(active, rows(3)), "rejoin");
  assert.equal(step(active, copy(3, false)), "rejoin");
});
