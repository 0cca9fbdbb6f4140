/** Kept features of a request, dealt to several keepers. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { KeptState } from "../../../actors/feature_keeper/kept_state.ts";
import {
  type FeatureKeeperOptions,
  keptByItem,
  type KeptFeature,
} from "../../../actors/feature_keeper/options.ts";
import {
  type FeatureKeeperMessage,
  keeperOf,
  type KeptValues,
  type ReadKept,
} from "../../../actors/feature_keeper/protocol.ts";
import { KeptReader } from "../../../actors/ranker/kept_reader.ts";
import type { SlotColumn } from "../../../kernels/features/values_of_items.ts";
import type { ActorRef } from "../../../mesh/runtime/actor.ts";
import { Cancellation } from "../../../mesh/runtime/cancel_signal.ts";

const HOUR = 3_600_000;
const category: SlotColumn = { name: "category", number: 3, column: 1 };
const ofItems: KeptFeature[] = [
  { kind: "history", name: "recent", of: { action: "click" }, last: 2 },
  { kind: "count", name: "clicks", by: "item", of: { action: "click" }, span: { windowMs: HOUR } },
  { kind: "since", name: "since", by: "item", of: { action: "click" } },
];
const ofValues: KeptFeature[] = [
  ...ofItems,
  {
    kind: "count",
    name: "taste",
    by: "user",
    slot: category,
    of: { action: "click" },
    span: { windowMs: HOUR },
  },
];
/** Numbers of candidates, none of which is by item. */
const ofValuesAlone = [ofItems[0], ofValues[3]];
const items = ["a", "b", "c", "d", "e", "f"];
/** One value of the slot for each item. */
const valueOf = (id: string) => id.charCodeAt(0) % 3;
const valuesOfItems = {
  of: (asked: readonly { readonly id: string }[]) => ({
    values: Float64Array.from(asked, ({ id }) => valueOf(id)),
    offsets: Uint32Array.from({ length: asked.length + 1 }, (_, i) => i),
  }),
};

/** Keepers that have seen the same visits, and all requests that they got. */
function keepersOf(features: readonly KeptFeature[], shards: number, visits: readonly Visit[]) {
  const requests: (ReadKept & { readonly shard: number })[] = [];
  const keepers = Array.from({ length: shards }, (_, shard) => {
    const options: FeatureKeeperOptions = {
      features,
      shard,
      shards,
      bytesMax: 2 ** 20,
      valuesMax: 8,
      rankingsMax: 1_000,
      checkpointMs: 0,
    };
    const state = new KeptState(options);
    visits.forEach(({ user, item }, i) => {
      const rankingId = `r${i}`;
      state.takeRanking({
        rankingId,
        user,
        items,
        values: items.map((id) => [[valueOf(id)]]),
        atMs: i,
      });
      state.takeAction({ eventId: `e${i}`, rankingId, item, action: "click", atMs: i });
    });
    return {
      address: `feature_keeper/${shard}`,
      tell: () => {},
      ask(request: ReadKept): Promise<KeptValues> {
        requests.push({ ...request, shard });
        return Promise.resolve(state.read(request.user, request.items, request.atMs, request));
      },
    } as unknown as ActorRef<FeatureKeeperMessage>;
  });
  const reader = new KeptReader({
    keepers,
    budgetMs: 100,
    byItem: keptByItem(features),
    width: features.filter((feature) =>
      feature.kind !== "history" && (feature.by === "item" || feature.slot !== undefined)
    ).length,
    missing: {
      add: () =>
        assert.fail("every keeper answers"),
    },
    valuesOfItems: features.includes(ofValues[3]) ? valuesOfItems : undefined,
  });
  const read = async (user: string, ids: readonly string[]) => {
    const candidates = ids.map((id) => ({ id }));
    const kept = await reader.read({ user, candidates, atMs: 1_000 }, { budgetMs: 100 });
    return kept && { ...kept, items: [...kept.items] };
  };
  return { read, requests };
}

interface Visit {
  readonly user: string;
  readonly item: string;
}

const users = ["ann", "bob", "cem"];
const visits = fc.array(
  fc.record({ user: fc.constantFrom(...users), item: fc.constantFrom(...items) }),
  { maxLength: 20 },
);
const candidates = fc.uniqueArray(fc.constantFrom(...items, "unknown"));

const kinds = { "items": ofItems, "both": ofValues, "values alone": ofValuesAlone };
for (const [of, features] of Object.entries(kinds)) {
  Deno.test(`several keepers give what one gives, of features by ${of}`, async () => {
    await fc.assert(fc.asyncProperty(
      visits,
      candidates,
      fc.constantFrom(...users, "nobody"),
      fc.integer({ min: 2, max: 9 }),
      async (seen, ids, user, shards) => {
        const one = await keepersOf(features, 1, seen).read(user, ids);
        assert.deepEqual(await keepersOf(features, shards, seen).read(user, ids), one);
      },
    ));
  });
}

Deno.test("a keeper is asked for its own items alone, and not where it has none", async () => {
  const shards = 3;
  const { read, requests } = keepersOf(ofItems, shards, []);
  await read("ann", items);
  assert.deepEqual(requests.flatMap((request) => request.items).sort(), items);
  for (const { shard, items, values } of requests) {
    assert.ok(items.every((id) => keeperOf(id, shards) === shard));
    assert.equal(values, undefined);
  }
  requests.length = 0;
  await read("ann", []);
  assert.deepEqual(requests.map(({ shard }) => shard), [keeperOf("ann", shards)]);
});

Deno.test("only the user's keeper is asked where no feature is by item", async () => {
  const ofUser = keeperOf("ann", 3);
  const { read: readValues, requests: asked } = keepersOf(ofValuesAlone, 3, []);
  await readValues("ann", items);
  assert.deepEqual(asked.map(({ shard, items }) => [shard, items]), [[ofUser, items]]);
  const { read, requests } = keepersOf(ofItems.slice(0, 1), 3, [{ user: "ann", item: "a" }]);
  assert.deepEqual(await read("ann", items), { user: { recent: ["a"] }, items: [], histories: {} });
  assert.deepEqual(requests.map(({ shard, items }) => [shard, items]), [[ofUser, []]]);
});

Deno.test("the user's keeper alone gets the values of the items, and all items with them", async () => {
  const shards = 3;
  const { read, requests } = keepersOf(ofValues, shards, []);
  await read("ann", items);
  for (const { shard, items: asked, values } of requests) {
    const isUsers = shard === keeperOf("ann", shards);
    const own = items.filter((id) => keeperOf(id, shards) === shard);
    assert.deepEqual(asked, isUsers ? items : own);
    assert.deepEqual(
      values,
      isUsers ? valuesOfItems.of(items.map((id) => ({ id }))) : undefined,
    );
  }
});

Deno.test("a request without a user has the features of its items", async () => {
  const seen = [{ user: "ann", item: "a" }];
  for (const shards of [1, 3]) {
    const { read } = keepersOf(ofItems, shards, seen);
    const kept = await read("", ["a", "b"]);
    assert.deepEqual([kept?.user, kept?.items[0], kept?.items[2]], [{}, 1, 0]);
  }
  assert.deepEqual(
    await keepersOf(ofItems, 3, seen).read("", []),
    { user: {}, items: [], histories: {} },
  );
});

Deno.test("a keeper that does not answer is counted, unless the request is cancelled", async () => {
  const cancelled = new Cancellation();
  cancelled.abort();
  for (const [signals, expected] of [[[new Cancellation()], 1], [[cancelled], 0]] as const) {
    let missing = 0;
    const reader = new KeptReader({
      keepers: [{
        address: "feature_keeper/0",
        ask: () => Promise.reject(new Error("no answer")),
      } as unknown as ActorRef<FeatureKeeperMessage>],
      budgetMs: 100,
      byItem: 1,
      width: 1,
      missing: { add: (count = 1) => void (missing += count) },
      valuesOfItems: undefined,
    });
    const options = { budgetMs: 100, signals };
    const request = { user: "ann", candidates: [{ id: "a" }], atMs: 1_000 };
    assert.equal(await reader.read(request, options), undefined);
    assert.equal(missing, expected);
    assert.deepEqual(await reader.top({ feature: "clicks", count: 3, atMs: 1_000 }, options), []);
    assert.equal(missing, 2 * expected);
  }
});
