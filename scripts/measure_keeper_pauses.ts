/**
 * Measures the longest turns of a feature keeper with many users and items: taking records while a
 * checkpoint is written, a part of the checkpoint, the list of the most popular items, an erasure,
 * and reading a checkpoint at a start.
 *
 *     deno run -A --v8-flags=--expose-gc scripts/measure_keeper_pauses.ts [--users 100000] [--json]
 *
 * There are as many items as users. Turns are those of the running keeper: up to 64 records, 256
 * KiB of a checkpoint, or a step of a longer task.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { KeptState } from "../actors/feature_keeper/kept_state.ts";
import type { SavedPart } from "../actors/feature_keeper/kept_tables.ts";
import type { FeatureKeeperOptions, KeptEvent } from "../actors/feature_keeper/options.ts";
import { encodeEvent } from "../records/event_record.ts";
import { uniformAt } from "../kernels/dense/counter_random.ts";

const RECORDS_PER_TURN = 64;
const PART_BYTES = 256 * 2 ** 10;
const HOUR_MS = 3_600_000;

const { values } = parseArgs({
  options: { users: { type: "string", default: "100000" }, json: { type: "boolean" } },
});
const users = Number(values.users);
const click: KeptEvent = { action: "click" };
const options: FeatureKeeperOptions = {
  features: [
    { kind: "history", name: "recent", of: click, last: 20 },
    { kind: "count", name: "clicks", by: "user", of: click, span: { windowMs: 24 * HOUR_MS } },
    { kind: "count", name: "popular", by: "item", of: click, span: { windowMs: HOUR_MS } },
    {
      kind: "count",
      name: "shown",
      by: "item",
      of: { action: "shown" },
      span: { windowMs: HOUR_MS },
    },
  ],
  shard: 0,
  shards: 1,
  bytesMax: 2 ** 33,
  rankingsMax: users,
  valuesMax: 128,
  checkpointMs: 1,
};

/** Core time of the turns of one kind, ms, with that of V8's helpers meanwhile. */
class Turns {
  readonly #ms: number[] = [];

  constructor(readonly name: string) {}

  measure<T>(turn: () => T): T {
    const before = process.cpuUsage();
    const result = turn();
    const { user, system } = process.cpuUsage(before);
    this.#ms.push((user + system) / 1_000);
    return result;
  }

  figures(): { turns: number; p50Ms: number; p99Ms: number; maxMs: number } {
    const sorted = Float64Array.from(this.#ms).sort();
    const at = (share: number) => sorted[Math.min(sorted.length - 1, share * sorted.length | 0)];
    const rounded = (ms: number) => Number((ms ?? NaN).toFixed(2));
    return {
      turns: sorted.length,
      p50Ms: rounded(at(0.5)),
      p99Ms: rounded(at(0.99)),
      maxMs: rounded(sorted[sorted.length - 1]),
    };
  }
}

let draws = 0;
const below = (end: number) => Math.floor(uniformAt(7, draws++) * end);
let records = 0;

/** A ranking of ten items and a click, of a new user or of a known one. */
function visit(state: KeptState, user: number): void {
  const rankingId = `ranking-${records++}`;
  const items = Array.from({ length: 10 }, (_, i) => `item-${(user + i * 7_919) % users}`);
  const atMs = records * 10;
  state.takeRanking({ rankingId, user: `user-${user}`, items, values: undefined, atMs });
  const action = { eventId: `event-${records}`, rankingId, item: items[0], action: "click", atMs };
  state.takeAction(action);
}

const kinds = {
  growing: new Turns("records of new users"),
  taking: new Turns("records while a checkpoint is written"),
  part: new Turns("a part of a checkpoint"),
  top: new Turns("a step of the list of a popular feature"),
  erase: new Turns("an erasure"),
  clear: new Turns("a step of clearing an erased user's rankings"),
  restore: new Turns("a step of reading a checkpoint at a start"),
};

const state = new KeptState(options);
for (let user = 0; user < users;) {
  const last = Math.min(users, user + RECORDS_PER_TURN / 2);
  kinds.growing.measure(() => {
    for (; user < last; user++) visit(state, user);
  });
}
const parts: SavedPart[] = [];
state.beginSave();
for (;;) {
  const part = kinds.part.measure(() => state.nextSaved(PART_BYTES));
  if (part === undefined) break;
  parts.push(structuredClone(part));
  kinds.taking.measure(() => {
    for (let i = 0; i < RECORDS_PER_TURN / 2; i++) visit(state, below(users));
  });
}
const search = state.topSearch("popular", 500, records * 10);
while (search !== undefined && !kinds.top.measure(() => search.step(1_000)));
const forget = (user: number) =>
  encodeEvent({
    kind: "forget",
    erasureId: "erasure",
    pass: 1,
    user: `user-${user}`,
    atMs: records * 10,
    acceptedAtMs: records * 10,
  });
for (let i = 0; i < 5; i++) kinds.erase.measure(() => state.take(forget(i)));
while (state.isClearing) kinds.clear.measure(() => state.clearErased(5_000));
const restored = new KeptState(options);
const restoring = restored.restoring(parts, records);
while (!kinds.restore.measure(() => restoring.next()).done);

for (
  const { name, ...turns } of Object.values(kinds).map((k) => ({ name: k.name, ...k.figures() }))
) {
  console.log(
    values.json
      ? JSON.stringify({ users, name, ...turns })
      : `${name}: ${turns.turns} turns, p50 ${turns.p50Ms} ms, p99 ${turns.p99Ms} ms, max ${turns.maxMs} ms`,
  );
}
