/**
 * The steps of a controller, and the placements and plans that they are about, for tests.
 */
import assert from "node:assert/strict";
import type { HostRun, MovePhase, Placement } from "../../../mesh/ports/coordination.ts";
import { Controller, defaultControllerOptions } from "../../../mesh/placement/controller.ts";
import type { ControllerStep } from "../../../mesh/placement/controller_steps.ts";
import type { PlanDocument } from "../../../mesh/placement/plan_document.ts";
import { meshView, type ViewParts } from "./mesh_view.ts";

export const options = { ...defaultControllerOptions, patienceMs: 10_000 };
export const run = (host: string): HostRun => ({ host, incarnation: `${host}-1` });
export const active = (host: string, epoch = 1): Placement => ({
  state: "active",
  owner: run(host),
  epoch,
});
export const moving = (owner: string, target: string, phase: MovePhase): Placement => ({
  state: "moving",
  owner: run(owner),
  target: run(target),
  phase,
  epoch: 1,
});

/** The steps of a controller that has been in contact with the store for long. */
export function stepsOf(parts: ViewParts, changes: Partial<typeof options> = {}): ControllerStep[] {
  const controller = new Controller({ ...options, ...changes });
  controller.observe(meshView({ ...parts, nowMs: 0 }));
  return controller.observe(meshView(parts));
}

/** The plan that a step writes: its state, and the parts that it did not move. */
export function endOf(step: ControllerStep): Partial<PlanDocument> {
  assert.ok(step.kind === "writePlan");
  const { state, elsewhere } = step.document as unknown as PlanDocument;
  return { state, ...(elsewhere && { elsewhere }) };
}

/** The placements that steps lead to, as `owner`, `owner>target` or `(owner)` while it restores. */
export function placesOf(steps: readonly ControllerStep[]): Record<string, string> {
  const changes = steps.flatMap((step) => step.kind === "place" ? step.changes : []);
  return Object.fromEntries(changes.map(({ key, next }) => {
    switch (next.state) {
      case "unassigned":
        return [key, "-"];
      case "restoring":
        return [key, `(${next.owner.host})`];
      case "active":
        return [key, next.owner.host];
      case "moving":
        return [key, `${next.owner.host}>${next.target.host}`];
    }
  }));
}

export const restoring = (host: string, epoch = 1): Placement => ({
  state: "restoring",
  owner: run(host),
  epoch,
});

export const plan = (changes: Partial<PlanDocument> = {}): PlanDocument => ({
  format: 7,
  kind: "apply",
  firstEdition: 7,
  state: "active",
  sharding: 0,
  dealing: 0,
  moves: [{ key: "shard/0", from: "a", to: "b" }, { key: "shard/1", from: "a", to: "b" }],
  voided: [],
  movesMax: 1,
  ...changes,
});
