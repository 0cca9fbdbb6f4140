/** Durations and sizes with units. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatBytes,
  formatDuration,
  parseBytes,
  parseDurationMs,
} from "../../configuration/units.ts";

Deno.test("durations and sizes are parsed with their units", () => {
  assert.deepEqual(
    ["500ms", "1.5s", "30m", "2h", "7 d"].map(parseDurationMs),
    [500, 1500, 1_800_000, 7_200_000, 604_800_000],
  );
  assert.deepEqual(
    ["512MiB", "1KB", "2GiB", "0.5TiB", "7B"].map(parseBytes),
    [2 ** 29, 1000, 2 ** 31, 2 ** 39, 7],
  );
});

Deno.test("a text without a known unit is neither a duration nor a size", () => {
  for (const text of ["", "5", "m", "-5s", "5 weeks", "1e3s", "5constructor", "٣s"]) {
    assert.equal(parseDurationMs(text), undefined, text);
    assert.equal(parseBytes(text), undefined, text);
  }
});

Deno.test("formatted durations and sizes parse to the same value", () => {
  fc.assert(fc.property(fc.nat(), (value) => {
    assert.equal(parseDurationMs(formatDuration(value)), value);
    assert.equal(parseBytes(formatBytes(value)), value);
  }));
  assert.equal(formatDuration(1_800_000), "30m");
  assert.equal(formatBytes(2 ** 29), "512MiB");
});
