import assert from "node:assert/strict";
import { SchemaChanges } from "../../../actors/embedding_shard/schema_changes.ts";
import type { ClassRestoreReport } from "../../../kernels/embedding/class_restore.ts";

const NOTHING: ClassRestoreReport = {
  slotsAdded: [],
  slotsRemoved: [],
  slicesAdded: [],
  slicesResized: [],
  slicesRemoved: [],
  slicesStateReset: [],
  countersComplete: true,
  rowsRestored: 9,
  rowsOfRemovedSlots: 0,
  rowsWithoutRoom: 0,
  rowsRemoved: 0,
};

Deno.test("parts that say the same are one account, by the slots' names and with all their rows", () => {
  const changes = new SchemaChanges({ 7: "user", 9: "genre" });
  const part = {
    ...NOTHING,
    slotsAdded: [9],
    slotsRemoved: [3],
    slicesRemoved: ["embeddings of slots 7, 9"],
    slicesStateReset: ["first_order"],
    rowsOfRemovedSlots: 2,
  };
  for (let i = 0; i < 4; i++) changes.add(part, { 3: "mood", 7: "visitor" });
  assert.ok(changes.any);
  assert.deepEqual(changes.fields(), {
    slotsAdded: ["genre"],
    slotsRemoved: ["mood (slot: 3)"],
    slotsRenamed: ["visitor -> user"],
    slicesRemoved: ["embeddings of user, genre"],
    slicesStateReset: ["first_order"],
    rowsOfRemovedSlots: 8,
  });
});

Deno.test("parts that fit are no change", () => {
  const changes = new SchemaChanges({ 7: "user" });
  changes.add(NOTHING, { 7: "user" });
  assert.ok(!changes.any);
});
