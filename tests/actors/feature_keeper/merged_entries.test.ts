import assert from "node:assert/strict";
import fc from "fast-check";
import type { SavedEntry } from "../../../actors/feature_keeper/kept_table.ts";
import { mergedEntries } from "../../../actors/feature_keeper/merged_entries.ts";

Deno.test("sorted parts give all entries in the order of their records", () => {
  fc.assert(fc.property(fc.array(fc.array(fc.nat(50), { maxLength: 20 })), (parts) => {
    const sorted = parts.map((part) => part.toSorted((a, b) => a - b));
    const entries = sorted.map((part) =>
      part.map((touched, i): SavedEntry<number> => [`${touched}`, touched, i])
    );
    const merged = [...mergedEntries(entries)].map(([, touched]) => touched);
    assert.deepEqual(merged, parts.flat().sort((a, b) => a - b));
  }));
});
