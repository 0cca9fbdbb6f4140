/** Kept features in a running loop: rules by history, restarts, and a keeper that is away. */
import assert from "node:assert/strict";
import type { FeatureKeeperMessage } from "../../../actors/feature_keeper/protocol.ts";
import type { KeptFeature } from "../../../actors/feature_keeper/options.ts";
import type { Ranking } from "../../../actors/ranker/protocol.ts";
import type { ListenerHaste } from "../../../mesh/ports/event_log.ts";
import type { Address } from "../../../mesh/runtime/actor.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { encodeEvent } from "../../../records/event_record.ts";
import { Loop } from "../loop.ts";

const features: KeptFeature[] = [
  { kind: "history", name: "seen", of: { action: "shown" }, last: 20 },
  { kind: "history", name: "clicked", of: { action: "click" }, last: 20 },
];
const items = ["a", "b", "c", "d"];
const ids = (ranking: Ranking) => ranking.items.map(({ id }) => id);
const day = 86_400_000;

function wholeStatusOf(loop: Loop, address: Address = "feature_keeper/0") {
  const keeper = loop.mesh.node().actorRef<FeatureKeeperMessage>(address);
  return loop.mesh.settle(keeper.ask({ kind: "getStatus" }, { budgetMs: 1_000 }));
}

/** A keeper's status without the offsets of its checkpoint. */
async function statusOf(loop: Loop, address?: Address) {
  const { saved: _, ...status } = await wholeStatusOf(loop, address);
  return status;
}

Deno.test("an exclusion leaves out what the user has seen or acted on within its time", async () => {
  const loop = await Loop.start({ kept: { features } });
  const first = await loop.rank("ann", ["a", "b"]);
  await loop.act(first.rankingId, "a", "click");
  await loop.mesh.advance(100);
  const excluding = (what: string, withinMs: number, user = "ann") =>
    loop.rank(user, items, {
      rules: { exclude: [{ what, withinMs }] },
      explain: true,
      learn: false,
    });
  assert.deepEqual(ids(await excluding("shown", day)).sort(), ["c", "d"]);
  const clicked = await excluding("click", day);
  assert.deepEqual(ids(clicked).sort(), ["b", "c", "d"]);
  assert.deepEqual(clicked.removed, [{ id: "a", by: "exclude" }]);
  assert.deepEqual(ids(await excluding("shown", 1)).sort(), items, "it was longer ago");
  assert.deepEqual(ids(await excluding("shown", day, "bob")).sort(), items);
  await loop.stop();
});

Deno.test("a rotation lowers what was just shown", async () => {
  const loop = await Loop.start({ kept: { features } });
  await loop.rank("ann", ["a", "b"]);
  await loop.mesh.advance(100);
  const ranking = await loop.rank("ann", items, {
    rules: { rotation: { withinMs: day, penalty: 1 } },
  });
  assert.deepEqual(ids(ranking).slice(2).sort(), ["a", "b"]);
  await loop.stop();
});

Deno.test("a keeper wants rankings soon where a rule reads what they showed to the user", async () => {
  const clicks = { by: "user", of: { action: "click" }, span: { windowMs: day } } as const;
  const hasteOf = async (feature: KeptFeature) => {
    const loop = await Loop.start({ kept: { features: [feature] } });
    const hastes: unknown[] = [];
    const { eventLog } = loop;
    const { onAppended } = eventLog;
    eventLog.onAppended = (partition, listener, haste?: ListenerHaste) => {
      hastes.push(haste);
      return onAppended.call(eventLog, partition, listener);
    };
    await loop.restart("feature_keeper/0");
    await loop.mesh.advance(100);
    await loop.stop();
    return hastes;
  };
  const shown = { action: "shown" };
  assert.deepEqual(await hasteOf({ kind: "count", name: "a", ...clicks, of: shown }), ["soon"]);
  assert.deepEqual(await hasteOf(features[0]), ["soon"]);
  assert.deepEqual(await hasteOf(features[1]), [undefined]);
  const ofItems = { kind: "rate", name: "a", ...clicks, by: "item", per: shown } as const;
  assert.deepEqual(await hasteOf({ ...ofItems, prior: { rate: 0, weight: 1 } }), [undefined]);
});

Deno.test("a record that comes while the keeper reads its partition is read too", async () => {
  const loop = await Loop.start({ kept: { features } });
  await loop.rank("ann", ["a"]);
  await loop.mesh.advance(100);
  const { eventLog } = loop;
  const { read } = eventLog;
  const keeperReads = 64; // at most, other than the joiner
  let came = 0;
  eventLog.read = async (partition, fromOffset, recordsMax) => {
    const records = await read.call(eventLog, partition, fromOffset, recordsMax);
    if (recordsMax === keeperReads && records.length > 0 && came === 0) {
      came++;
      await eventLog.append(partition, [encodeEvent({ kind: "mark", atMs: 0, acceptedAtMs: 0 })]);
    }
    return records;
  };
  await loop.rank("ann", ["b"]);
  await loop.mesh.advance(1_000);
  assert.equal(came, 1);
  assert.deepEqual((await statusOf(loop)).offsets, [3]);
  await loop.stop();
});

Deno.test("a keeper that restarts continues from its checkpoint", async () => {
  const loop = await Loop.start({ kept: { features } });
  for (let i = 0; i < 5; i++) {
    await loop.rank(`user-${i}`, ["a", "b"]);
    await loop.mesh.advance(1_100);
  }
  const before = await statusOf(loop);
  assert.deepEqual(before.offsets, [5]);
  assert.ok((await loop.blobs.list("keeper/")).includes("keeper/0/index"));
  await loop.restart("feature_keeper/0");
  await loop.mesh.advance(100);
  assert.deepEqual(await statusOf(loop), before);
  await loop.stop();
});

Deno.test("a keeper that finds parts of another checkpoint saves at once, and deletes them", async () => {
  const loop = await Loop.start({ kept: { features } });
  for (const user of ["ann", "bob"]) {
    await loop.rank(user, ["a", "b"]);
    await loop.mesh.advance(2_200);
  }
  const { saved } = await wholeStatusOf(loop);
  assert.deepEqual(saved, [2]);
  await loop.blobs.put("keeper/0/9/0", new Uint8Array(3));
  await loop.restart("feature_keeper/0");
  await loop.mesh.advance(100);
  assert.deepEqual((await wholeStatusOf(loop)).saved, saved);
  const names = await loop.blobs.list("keeper/");
  assert.ok(!names.includes("keeper/0/9/0"), `${names}`);
  await loop.stop();
});

Deno.test("a keeper without a lease answers, and reads and saves nothing until it has one", async () => {
  const loop = await Loop.start({ kept: { features } });
  const keeper = loop.mesh.node().actorRef<FeatureKeeperMessage>("feature_keeper/0");
  await loop.rank("ann", ["a", "b"]);
  await loop.mesh.advance(100);
  keeper.tell({ kind: "setLeased", isLeased: false });
  await loop.rank("bob", ["a", "b"]);
  await loop.mesh.advance(10_000);
  assert.deepEqual((await statusOf(loop)).offsets, [1], "it stands still");
  assert.deepEqual(await loop.blobs.list("keeper/"), []);
  const excluding = await loop.rank("ann", items, {
    rules: { exclude: [{ what: "shown", withinMs: day }] },
    learn: false,
  });
  assert.deepEqual(ids(excluding).sort(), ["c", "d"], "it answers from what it has");
  keeper.tell({ kind: "setLeased", isLeased: true });
  await loop.mesh.advance(100);
  assert.deepEqual((await statusOf(loop)).offsets, [2]);
  await loop.rank("eve", ["a"]);
  await loop.mesh.advance(2_000);
  assert.ok((await loop.blobs.list("keeper/")).includes("keeper/0/index"));
  await loop.stop();
});

Deno.test("a keeper answers and counts while the parts of a checkpoint are written", async () => {
  const loop = await Loop.start({ kept: { features, bytesMax: 2 ** 30 } });
  const { blobs, mesh: { clock } } = loop;
  const [put, monotonicMs] = [blobs.put.bind(blobs), clock.monotonicMs.bind(clock)];
  let parts = 0;
  let turns = 0;
  // Each reading of the clock takes 0.5 ms, so that parts are apart.
  clock.monotonicMs = () => monotonicMs() + 0.5 * turns++;
  blobs.put = (name, bytes) => {
    if (name.startsWith("keeper/0/")) parts++;
    return put(name, bytes);
  };
  const long = "x".repeat(20_000);
  for (let i = 0; i < 40; i++) {
    await loop.rank(`user-${i}`, [`${long}-${i}`, "a"], { learn: true });
    await loop.mesh.advance(100);
  }
  await loop.mesh.advance(5_000);
  assert.ok(parts > 5, `${parts} parts`);
  const before = await statusOf(loop);
  assert.equal(before.users, 40);
  clock.monotonicMs = monotonicMs;
  await loop.restart("feature_keeper/0");
  await loop.mesh.advance(100);
  assert.deepEqual(await statusOf(loop), before);
  await loop.stop();
});

Deno.test("a store that fails costs a checkpoint, and the keeper goes on", async () => {
  const loop = await Loop.start({ kept: { features } });
  const { blobs } = loop;
  const put = blobs.put.bind(blobs);
  let failures = 0;
  blobs.put = (name, bytes) => {
    if (name.startsWith("keeper/") && failures++ < 2) return Promise.reject(new Error("full"));
    return put(name, bytes);
  };
  for (let i = 0; i < 6; i++) {
    await loop.rank(`user-${i}`, ["a", "b"]);
    await loop.mesh.advance(1_100);
  }
  assert.equal((await statusOf(loop)).users, 6);
  assert.ok(failures > 2, "it tried again");
  assert.ok((await blobs.list("keeper/")).includes("keeper/0/index"));
  await loop.stop();
});

Deno.test("a keeper continues after the process was killed", async () => {
  const loop = await Loop.start({ kept: { features } });
  for (let i = 0; i < 3; i++) {
    await loop.rank("ann", [items[i]]);
    await loop.mesh.advance(1_100);
  }
  const again = await loop.kill(2);
  await again.mesh.advance(200);
  const ranking = await again.rank("ann", items, {
    rules: { exclude: [{ what: "shown", withinMs: day }] },
  });
  assert.deepEqual(ids(ranking), ["d"]);
  await again.stop();
});

Deno.test("a keeper begins anew where others have replaced records of its checkpoint", async () => {
  const loop = await Loop.start({ kept: { features } });
  await loop.rank("ann", ["a"]);
  await loop.rank("bob", ["b"]);
  await loop.mesh.advance(2_000);
  await loop.rank("eve", ["c"]);
  await loop.mesh.advance(2_000);
  const [first] = await loop.eventLog.read(0, 0, 1);
  await loop.stop();

  const eventLog = new MemoryEventLog({ name: "events", partitions: 1 });
  await eventLog.append(0, [first.bytes]);
  const exampleLog = new MemoryEventLog({ name: "examples", partitions: 1 });
  const again = await Loop.start({ storage: { eventLog, exampleLog, blobs: loop.blobs } });
  for (const item of ["d", "c", "b"]) await again.rank("zoe", [item]);
  await again.stop();
  const kept = await Loop.start({
    kept: { features },
    storage: { eventLog, exampleLog, blobs: loop.blobs },
  });
  await kept.mesh.advance(200);
  assert.ok(kept.mesh.telemetry.lines.some(({ message }) => message.includes("begin anew")));
  const { offsets, users } = await statusOf(kept);
  assert.deepEqual([offsets, users], [[4], 2], "ann and zoe, whom the log has");
  await kept.stop();
});

Deno.test("a keeper tells of records that the log removed while no checkpoint held them", async () => {
  const loop = await Loop.start({ kept: { features } });
  const warnings = () =>
    loop.mesh.telemetry.lines.filter(({ message }) => message.includes("has removed"));
  for (let i = 0; i < 5; i++) await loop.rank(`user-${i}`, ["a", "b"]);
  await loop.mesh.advance(1_100);
  await loop.restart("feature_keeper/0");
  await loop.mesh.advance(100);
  assert.deepEqual(warnings(), [], "the checkpoint holds them");
  for (const name of await loop.blobs.list("keeper/")) await loop.blobs.delete(name);
  await loop.eventLog.trim(0, 3);
  await loop.restart("feature_keeper/0");
  await loop.mesh.advance(100);
  assert.deepEqual(warnings().map(({ fields }) => fields), [{ partition: 0, records: 3 }]);
  assert.equal(loop.mesh.telemetry.value("cairn_keeper_records_missed_total"), 3);
  assert.equal((await statusOf(loop)).users, 2);
  await loop.stop();
});

Deno.test("each keeper of a thread shows its own keys and memory", async () => {
  const loop = await Loop.start({ kept: { features, shards: 2 } });
  for (let i = 0; i < 8; i++) await loop.rank(`user-${i}`, ["a", "b"]);
  await loop.mesh.advance(100);
  const { telemetry } = loop.mesh;
  let users = 0;
  for (const keeper of ["0", "1"]) {
    const status = await statusOf(loop, `feature_keeper/${keeper}`);
    const keysOf = (kind: string) => telemetry.value("cairn_keeper_keys", { keeper, kind });
    assert.deepEqual(
      [keysOf("user"), keysOf("item"), telemetry.value("cairn_keeper_bytes", { keeper })],
      [status.users, status.items, status.bytes],
    );
    assert.ok(status.users > 0);
    users += status.users;
  }
  assert.equal(users, 8);
  await loop.stop();
});

Deno.test("a ranking goes on while the keeper is away", async () => {
  const loop = await Loop.start({ kept: { features } });
  await loop.mesh.settle(loop.mesh.node().stopActor("feature_keeper/0", 0));
  const ranking = await loop.rank("ann", items);
  assert.equal(ranking.items.length, 4);
  await loop.stop();
});

Deno.test("a keeper refuses values that are not of the items, and keeps its users", async () => {
  const slot = { name: "category", number: 3, column: 1 };
  const of = { action: "shown" };
  const span = { windowMs: day };
  const loop = await Loop.start({
    kept: { features: [{ kind: "count", name: "n", by: "user", slot, of, span }], checkpointMs: 0 },
  });
  await loop.rank("ann", ["a"]);
  await loop.mesh.advance(100);
  const before = await statusOf(loop);
  assert.equal(before.users, 1);
  const keeper = loop.mesh.node().actorRef<FeatureKeeperMessage>("feature_keeper/0");
  const read = (offsets: number[]) => {
    const values = { values: Float64Array.of(7, 8), offsets: Uint32Array.from(offsets) };
    const message = { kind: "readKept", user: "ann", items: ["a", "b"], values } as const;
    return loop.mesh.settle(
      keeper.ask({ ...message, atMs: 100, histories: [] }, { budgetMs: 1_000 }),
    );
  };
  for (const offsets of [[0, 2], [0, 1, 4], [0, 2 ** 32 - 1, 2], [1, 1, 2], [0, 1, 1, 2]]) {
    await assert.rejects(read(offsets), { name: "RangeError" });
  }
  assert.equal((await read([0, 1, 2])).items.length, 2);
  assert.deepEqual(await statusOf(loop), before);
  await loop.stop();
});
