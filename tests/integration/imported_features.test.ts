/**
 * An imported history has the features of live traffic: the same visits go through the real ranker
 * and feature keeper, and through the import.
 */
import assert from "node:assert/strict";
import type { FeatureKeeperMessage } from "../../actors/feature_keeper/protocol.ts";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { VisitRecords } from "../../offline/import/visit_records.ts";
import type { Visit } from "../../offline/import/visits.ts";
import { decodeEvent, encodeEvent } from "../../records/event_record.ts";
import { ImpressionRowsReader } from "../../records/impression_rows_reader.ts";
import { startMesh } from "../../server/machine/start_mesh.ts";
import { addresses } from "../../server/addresses.ts";
import { waitReady } from "../../server/waits.ts";
import { NumberMemory } from "../../structures/number_memory.ts";
import { eventually } from "./mesh_process.ts";

const yaml = `
features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
    category: { kind: categorical, source: item }
    recent: { kind: list, source: user, idsOf: item }
    items_now: { kind: list, source: user, idsOf: item }
    clicks_hour: { kind: numeric, source: item, buckets: { kind: log }, dense: { kind: log } }
    ctr_day: { kind: numeric, source: item, dense: { kind: none } }
    known_hours: { kind: numeric, source: item, dense: { kind: none } }
    user_category: { kind: numeric, source: item, dense: { kind: none } }
kept:
  budget: 5s
  features:
    recent: { kind: history, action: click, last: 3 }
    items_now: { kind: history, action: click, last: 3, session: 10m }
    clicks_hour: { kind: count, by: item, of: click, window: 1h }
    ctr_day:
      { kind: rate, by: item, of: click, per: shown, window: 1d, prior: { rate: 0.1, weight: 5 } }
    known_hours: { kind: age, by: item, of: shown }
    user_category:
      kind: rate
      by: user
      slot: category
      of: click
      window: 7d
      prior: { rate: 0.1, weight: 5 }
model:
  kind: deepFm
  embeddingDim: 4
  hidden: [4]
  tasks: [click]
  attention: [{ slot: recent, candidate: item }]
placement: { kind: singleThread }
`;

const START_MS = Date.UTC(2025, 0, 1);

/** Users that come several times over days, and click some of the items that they are shown. */
const visits: readonly Visit[] = Array.from({ length: 40 }, (_, i) => {
  const atMs = START_MS + i * (i % 5 === 0 ? 7_200_000 : 240_000);
  const items = Array.from({ length: 4 }, (_, n) => `i${(i * 3 + n) % 11}`);
  const id = `r${i}`;
  const clicked = items.filter((_, n) => (i + n) % 3 === 0);
  return {
    user: `u${i % 3}`,
    atMs,
    itemFields: new Map(),
    ranking: { id, items, context: {} },
    actions: clicked.map((item) => {
      return { eventId: `e-${id}-${item}`, rankingId: id, item, action: "click", value: NaN, atMs };
    }),
  };
}).sort((a, b) => a.atMs - b.atMs);

const attributesOf = (item: string) => ({ category: `c${Number(item.slice(1)) % 4}` });
const items = Array.from({ length: 11 }, (_, i) => `i${i}`);

/** The features of an impression, as plain lists. */
function featuresOf(bytes: Uint8Array): unknown {
  const record = decodeEvent(bytes);
  assert.ok(record.kind === "impression");
  const { ids, listOffsets, dense } = new ImpressionRowsReader()
    .open(NumberMemory.copyOf(record.shown)).features();
  return { user: record.user, ids: [...ids], offsets: [...listOffsets], dense: [...dense] };
}

Deno.test("an imported history has the features of live traffic, kept ones included", async () => {
  const configuration = parseConfiguration(yaml, "cairn.yaml");
  const { featureKeeper, features: { schema } } = configuration;
  const mesh = await startMesh(configuration, { logLevelMin: "error" });
  const live: unknown[] = [];
  try {
    await waitReady(mesh);
    const { eventLog, profiles } = mesh.stores;
    for (const item of items) await profiles.put("item", item, attributesOf(item));
    const keeper = mesh.mesh.actorRef<FeatureKeeperMessage>(addresses.featureKeeper(0));
    const isRead = async () => {
      const { offsets } = await keeper.ask({ kind: "getStatus" }, { budgetMs: 5_000 });
      return offsets[0] === await eventLog.endOffset(0);
    };
    for (const { user, atMs, ranking, actions } of visits) {
      assert.ok(ranking !== undefined);
      const before = await eventLog.endOffset(0);
      await mesh.ranker.ask<"rank">({
        kind: "rank",
        user,
        context: {},
        atMs,
        candidates: ranking.items.map((id) => ({ id })),
        limit: ranking.items.length,
        // The order of the caller, as an import knows it.
        shown: ranking.items,
        explain: false,
        rankingId: ranking.id,
      }, { budgetMs: 10_000 });
      const [{ bytes }] = await eventLog.read(0, before, 1);
      live.push(featuresOf(bytes));
      const events = actions.map(({ value: _, ...action }) =>
        encodeEvent({ kind: "action", ...action, acceptedAtMs: atMs })
      );
      if (events.length > 0) await eventLog.append(0, events);
      assert.ok(await eventually(isRead), "the keeper reads the log");
    }
  } finally {
    await mesh.stop();
  }

  const imported = new VisitRecords({
    schema,
    tasks: ["click"],
    profiles: { user: new Map(), item: new Map(items.map((id) => [id, attributesOf(id)])) },
    ...(featureKeeper && { kept: featureKeeper }),
    nextAcceptedAtMs: () => 1,
  });
  visits.forEach((visit, i) => {
    const [{ bytes }] = imported.records(visit);
    assert.deepEqual(featuresOf(bytes), live[i], `visit ${i}`);
  });
  const used = JSON.stringify(live.at(-1));
  assert.ok(used.length > JSON.stringify(live[0]).length, "later visits have histories");
});
