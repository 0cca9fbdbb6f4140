/** Erasures whose rankings are cleared some at a time. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { KeptState } from "../../../actors/feature_keeper/kept_state.ts";
import type { SavedPart } from "../../../actors/feature_keeper/kept_tables.ts";
import { encodeEvent } from "../../../records/event_record.ts";

function stateOf(rankingsMax = 1_000): KeptState {
  return new KeptState({
    features: [{ kind: "history", name: "clicked", of: { action: "click" }, last: 5 }],
    shard: 0,
    shards: 1,
    bytesMax: 2 ** 24,
    valuesMax: 3,
    rankingsMax,
    checkpointMs: 0,
  });
}

function rank(state: KeptState, rankingId: string, user: string): void {
  state.takeRanking({ rankingId, user, items: ["a"], values: undefined, atMs: 1 });
}

function click(state: KeptState, eventId: string, rankingId: string): void {
  state.takeAction({ eventId, rankingId, item: eventId, action: "click", atMs: 2 });
}

function erase(state: KeptState, user: string): void {
  state.take(encodeEvent({
    kind: "forget",
    erasureId: "e",
    pass: 1,
    user,
    atMs: 3,
    acceptedAtMs: 3,
  }));
}

function historyOf(state: KeptState, user: string): unknown {
  return state.read(user, [], 4, { histories: [] }).user.clicked;
}

function saved(state: KeptState): SavedPart[] {
  const parts: SavedPart[] = [];
  for (let part; (part = state.nextSaved(200)) !== undefined;) parts.push(part);
  return parts;
}

Deno.test("an action on a ranking of an erased user counts for no user, before it is cleared too", () => {
  const state = stateOf();
  rank(state, "r1", "ann");
  rank(state, "r2", "bob");
  erase(state, "ann");
  click(state, "e1", "r1");
  click(state, "e2", "r2");
  assert.deepEqual(historyOf(state, "ann"), []);
  assert.deepEqual(historyOf(state, "bob"), ["e2"]);
  rank(state, "r3", "ann");
  state.clearErased(1_000);
  assert.ok(!state.isClearing);
  click(state, "e3", "r3");
  click(state, "e4", "r1");
  assert.deepEqual(historyOf(state, "ann"), ["e3"], "a ranking after the erasure is the user's");
});

Deno.test("a save that begins after an erasure does not have the user, whenever it is cleared", () => {
  fc.assert(fc.property(
    fc.array(fc.constantFrom("ann", "bob", "carl"), { minLength: 1, maxLength: 60 }),
    fc.array(fc.constantFrom("clear", "part", "rank"), { maxLength: 60 }),
    (users, steps) => {
      const state = stateOf(40);
      users.forEach((user, i) => rank(state, `r${i}`, user));
      erase(state, "ann");
      state.beginSave();
      const parts: SavedPart[] = [];
      steps.forEach((step, i) => {
        if (step === "clear") state.clearErased(7);
        // A new ranking may make the oldest one forgotten, of which the save keeps a copy.
        else if (step === "rank") rank(state, `later${i}`, "bob");
        else {
          const part = state.nextSaved(200);
          if (part !== undefined) parts.push(part);
        }
      });
      parts.push(...saved(state));
      assert.ok(!JSON.stringify(parts).includes("ann"));
      for (let i = 0; i < 100 && state.isClearing; i++) state.clearErased(7);
      assert.ok(!state.isClearing);
      state.beginSave();
      assert.ok(!JSON.stringify(saved(state)).includes("ann"));
    },
  ));
});

Deno.test("a save that began before an erasure is the state of its own record", () => {
  const state = stateOf();
  for (let i = 0; i < 20; i++) rank(state, `r${i}`, i % 2 === 0 ? "ann" : "bob");
  const { records } = state;
  state.beginSave();
  const parts = [state.nextSaved(200)].filter((part) => part !== undefined);
  erase(state, "ann");
  state.clearErased(1_000);
  parts.push(...saved(state));
  const restored = stateOf();
  for (const _ of restored.restoring(parts, records));
  for (let i = 0; i < 20; i++) click(restored, `e${i}`, `r${i}`);
  assert.deepEqual(historyOf(restored, "ann"), ["e18", "e16", "e14", "e12", "e10"]);
});
