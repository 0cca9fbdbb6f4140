import assert from "node:assert/strict";
import {
  healthFigures,
  healthTexts,
  readingOf,
  withReading,
} from "../../../gateway/page/health_figures.js";
import { rankingRows } from "../../../gateway/page/ranking_bars.js";
import { fieldsOf } from "../../../gateway/page/schema_fields.js";
import { pretty } from "../../../gateway/page/pretty_json.js";
import { storedId, withStoredIds } from "../../../gateway/page/stored_examples.js";
import { gatewayFixture } from "../fixture.ts";

const example = {
  user: "user-7",
  candidates: [{ id: "item-1" }, { id: "item-2", fields: { year: 1994 } }, { id: "item-3" }],
  limit: 2,
};

Deno.test("every script that the page imports is served, and so is its style", async () => {
  const { app } = gatewayFixture();
  const served = async (path: string) => {
    const response = await app.fetch(new Request(`http://x${path}`));
    assert.equal(response.status, 200, path);
    return await response.text();
  };
  const page = await served("/");
  const paths = [...page.matchAll(/(?:src|href)="(\/try\.[^"]+)"/g)].map(([, path]) => path);
  assert.deepEqual(paths.sort(), ["/try.css", "/try.js"]);
  const script = await served("/try.js");
  const imports = [...script.matchAll(/from "\.(\/[^"]+)"/g)].map(([, path]) => path);
  assert.ok(imports.length >= 4);
  for (const path of imports) await served(path);
  // A long line of an answer is broken, not cut off.
  assert.match(await served("/try.css"), /#answerBody,[^}]*\{[^}]*white-space: pre-wrap/);
});

Deno.test("an example has ids of stored items and users, and asks to explain their ranking", () => {
  const stored = { items: Array.from({ length: 12 }, (_, i) => `sku-${i}`), users: ["ann"] };
  const filled = withStoredIds(example, stored);
  assert.equal(filled.user, "ann");
  assert.deepEqual(filled.candidates, stored.items.slice(0, 10).map((id) => ({ id })));
  assert.deepEqual([filled.limit, filled.explain], [5, true]);
  assert.deepEqual(withStoredIds({ rankingId: "r-1", items: ["item-2"] }, stored), {
    rankingId: "r-1",
    items: ["sku-1"],
  });
  assert.equal(storedId("item-14", stored), "sku-1");
});

Deno.test("an example stays as it is where nothing is stored", () => {
  const nothing = { items: [], users: [] };
  assert.deepEqual(withStoredIds(example, nothing), example);
  assert.equal(withStoredIds(undefined, nothing), undefined);
  assert.equal(storedId("item-1", nothing), "item-1");
});

Deno.test("bars are shares of the largest score and contribution, the largest slots first", () => {
  const [first, second] = rankingRows([
    {
      id: "a",
      score: 0.8,
      cold: false,
      explanation: [{ slot: "user", contribution: 0.1 }, { slot: "price", contribution: -0.4 }, {
        slot: "hour",
        contribution: 0,
      }],
    },
    { id: "b", score: 0.2, cold: true },
  ]);
  assert.deepEqual([first.share, second.share], [1, 0.25]);
  assert.deepEqual(
    first.parts.map((part: { slot: string; share: number }) => [part.slot, part.share]),
    [
      ["price", 1],
      ["user", 0.25],
    ],
  );
  assert.deepEqual(second.parts, []);
  assert.deepEqual(rankingRows([{ id: "a", score: 0, cold: true }])[0].share, 0);
});

/** Answers of /metrics with so many rankings, and fresh events within 50 ms and 100 ms. */
function metricsText(rankings: number, [fast, slow]: readonly number[], snapshot = "") {
  const bucket = 'cairn_sync_freshness_seconds_bucket{thread="0",le=';
  return [
    "# TYPE cairn_http_request_seconds histogram",
    `cairn_http_request_seconds_count{method="POST",route="/v1/rank",status="200"} ${rankings}`,
    'cairn_http_request_seconds_count{method="POST",route="/v1/similar",status="200"} 5',
    'cairn_http_request_seconds_count{method="POST",route="/v1/rank",status="429"} 900',
    'cairn_http_request_seconds_count{method="GET",route="/metrics",status="200"} 900',
    `${bucket}"0.05"} ${fast}`,
    `${bucket}"0.1"} ${fast + slow}`,
    `${bucket}"+Inf"} ${fast + slow}`,
    snapshot,
  ].join("\n");
}

Deno.test("figures of health are rates and medians of the last minute", () => {
  let readings = withReading(
    [],
    readingOf(metricsText(1_000, [900, 0], "cairn_snapshot_timestamp_seconds 0"), 0),
  );
  assert.deepEqual(healthFigures(readings), {
    learns: true,
    rankingsPerSecond: undefined,
    freshnessMs: undefined,
    snapshotAgeMs: undefined,
  });
  const snapshot = "cairn_snapshot_timestamp_seconds 4";
  readings = withReading(readings, readingOf(metricsText(1_100, [900, 10], snapshot), 10_000));
  const { freshnessMs, ...others } = healthFigures(readings);
  assert.deepEqual(others, { learns: true, rankingsPerSecond: 10, snapshotAgeMs: 6_000 });
  assert.ok(Math.abs(freshnessMs! - 75) < 1e-9, `${freshnessMs}`);
  // The first reading is older than a minute.
  readings = withReading(readings, readingOf(metricsText(1_100, [900, 10]), 65_000));
  assert.equal(readings.length, 2);
  assert.equal(healthFigures(readings).rankingsPerSecond, 0);
  assert.equal(healthFigures(readings).freshnessMs, undefined);
});

Deno.test("after a restart of the server its figures begin anew", () => {
  const readings = withReading([], readingOf(metricsText(1_000, [9, 0]), 0));
  const restarted = withReading(readings, readingOf(metricsText(3, [0, 0]), 5_000));
  assert.equal(restarted.length, 1);
});

Deno.test("figures of health are written with units, and none as a dash", () => {
  const noFigures = {
    learns: true,
    rankingsPerSecond: undefined,
    freshnessMs: undefined,
    snapshotAgeMs: undefined,
  };
  const values = (figures: Partial<ReturnType<typeof healthFigures>>) =>
    healthTexts({ ...noFigures, ...figures }).map(([, value]: string[]) => value);
  assert.deepEqual(values({}), ["–", "–", "none"]);
  assert.deepEqual(
    values({ rankingsPerSecond: 12.345, freshnessMs: 70.6, snapshotAgeMs: 7_300_000 }),
    ["12.3/s", "70.6 ms", "2 h ago"],
  );
  assert.deepEqual(
    values({ rankingsPerSecond: 0, freshnessMs: 1_500, snapshotAgeMs: -4 }),
    ["0/s", "1.5 s", "0 s ago"],
  );
});

Deno.test("a host of a mesh that only serves shows no freshness and no snapshots", () => {
  const text = 'cairn_http_request_seconds_count{route="/v1/rank",status="200"} 7';
  const figures = healthFigures(withReading([], readingOf(text, 0)));
  assert.deepEqual(healthTexts(figures).map(([name]: string[]) => name), ["Rankings"]);
});

Deno.test("a table of fields walks into lists of objects and follows references", () => {
  const api = { defs: { Candidate: { type: "object", properties: { id: { type: "string" } } } } };
  const schema = {
    required: ["candidates"],
    properties: {
      candidates: { type: "array", minItems: 1, maxItems: 5, items: { $ref: "#/defs/Candidate" } },
    },
  };
  assert.deepEqual([...fieldsOf(schema, api)], [
    ["candidates", "list of 1 to 5", ""],
    ["candidates[].id?", "string", ""],
  ]);
});

Deno.test("a value that fits on a line is not broken", () => {
  assert.equal(pretty({ a: [1, 2] }), '{ "a": [1, 2] }');
  assert.equal(pretty({ a: "x".repeat(80) }), `{\n  "a": "${"x".repeat(80)}"\n}`);
});
