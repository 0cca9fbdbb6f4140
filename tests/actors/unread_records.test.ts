/**
 * The metric of records that the readers of the logs have not read yet. A reader without a lease
 * stands still, so records wait for it.
 */
import assert from "node:assert/strict";
import type { KeptFeature } from "../../actors/feature_keeper/options.ts";
import type { FeatureKeeperMessage } from "../../actors/feature_keeper/protocol.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { SetLeased } from "../../mesh/runtime/set_leased.ts";
import type { ReaderKey } from "../../mesh/placement/mesh_views.ts";
import { readerFigures } from "../../server/reader_figures.ts";
import { showUnread } from "../../mesh/runtime/unread_records.ts";
import { TelemetryRecorder } from "../../mesh/simulation/telemetry_recorder.ts";
import { Loop } from "./loop.ts";

const features: KeptFeature[] = [
  { kind: "history", name: "seen", of: { action: "shown" }, last: 20 },
];

/** The numbers that a host reports for operators, which are those of the metric. */
async function assertToldAlike(loop: Loop) {
  const readers = new Map<ReaderKey, Address>([
    ["events/0", "joiner/0"],
    ["trainer/0", "trainer/0"],
    ["keeper/0", "feature_keeper/0"],
  ]);
  const told = await loop.mesh.settle(readerFigures(loop.mesh.node(), readers, 1_000));
  const { joiner, keeper, trainer } = unreadOf(loop);
  assert.deepEqual(told, {
    "events/0.unread": joiner,
    "keeper/0.unread": keeper,
    "trainer/0.unread": trainer,
  });
}

function unreadOf(loop: Loop) {
  const of = (log: string, actor: Address) =>
    loop.mesh.telemetry.watched("cairn_log_records_unread", { log, actor });
  return {
    joiner: of("events", "joiner/0"),
    keeper: of("events", "feature_keeper/0"),
    trainer: of("examples", "trainer/0"),
  };
}

async function setLeased(loop: Loop, actor: Address, isLeased: boolean) {
  loop.mesh.node().actorRef<SetLeased>(actor).tell({ kind: "setLeased", isLeased });
  await loop.mesh.advance(1_000);
}

async function click(loop: Loop) {
  const { rankingId } = await loop.rank("ann", ["a", "b"]);
  await loop.act(rankingId, "a", "click");
  await loop.mesh.advance(1_000);
}

Deno.test("each reader tells how many records it has not read, until it has", async () => {
  const loop = await Loop.start({ kept: { features } });
  assert.deepEqual(unreadOf(loop), { joiner: 0, keeper: 0, trainer: 0 });
  for (const actor of ["joiner/0", "feature_keeper/0"] as const) {
    await setLeased(loop, actor, false);
  }
  await click(loop);
  const events = await loop.eventLog.endOffset(0);
  assert.ok(events >= 2);
  assert.deepEqual(unreadOf(loop), { joiner: events, keeper: events, trainer: 0 });
  await assertToldAlike(loop);

  await setLeased(loop, "feature_keeper/0", true);
  assert.deepEqual(unreadOf(loop), { joiner: events, keeper: 0, trainer: 0 });

  await setLeased(loop, "trainer/0", false);
  await setLeased(loop, "joiner/0", true);
  const chunks = await loop.exampleLog.endOffset(0);
  assert.ok(chunks > 0);
  assert.deepEqual(unreadOf(loop), { joiner: 0, keeper: 0, trainer: chunks });
  await assertToldAlike(loop);

  await setLeased(loop, "trainer/0", true);
  assert.deepEqual(unreadOf(loop), { joiner: 0, keeper: 0, trainer: 0 });
  await loop.stop();
  assert.deepEqual(unreadOf(loop), { joiner: undefined, keeper: undefined, trainer: undefined });
});

Deno.test("a reader that begins again goes on telling", async () => {
  const loop = await Loop.start();
  await click(loop);
  for (const actor of ["joiner/0", "trainer/0"] as const) {
    await loop.restart(actor, () => {
      const { joiner, trainer } = unreadOf(loop);
      assert.equal(actor === "joiner/0" ? joiner : trainer, undefined, "it is not there");
      return Promise.resolve();
    });
    await loop.mesh.advance(1_000);
    const { joiner, trainer } = unreadOf(loop);
    assert.deepEqual([joiner, trainer], [0, 0]);
  }
  await loop.stop();
});

Deno.test("records that the log has removed wait for no keeper", async () => {
  const loop = await Loop.start({ kept: { features } });
  await click(loop);
  for (const name of await loop.blobs.list("keeper/")) await loop.blobs.delete(name);
  await loop.eventLog.trim(0, await loop.eventLog.endOffset(0));
  await loop.restart("feature_keeper/0");
  await loop.mesh.advance(1_000);
  assert.equal(unreadOf(loop).keeper, 0);
  const keeper = loop.mesh.node().actorRef<FeatureKeeperMessage>("feature_keeper/0");
  const { offsets } = await loop.mesh.settle(keeper.ask({ kind: "getStatus" }, { budgetMs: 1e3 }));
  assert.deepEqual(offsets, [await loop.eventLog.endOffset(0)], "as its host tells operators");
  await setLeased(loop, "feature_keeper/0", false);
  await loop.rank("bob", ["a"]);
  await loop.mesh.advance(1_000);
  assert.ok((unreadOf(loop).keeper ?? 0) > 0);
  await loop.stop();
});

Deno.test("the records of several partitions are one number, or none where an end is unknown", () => {
  const telemetry = new TelemetryRecorder();
  const ends: (number | undefined)[] = [10, 4];
  const log: Pick<EventLog, "knownEnd"> = { knownEnd: (partition) => ends[partition] };
  const self = { address: "trainer/7" } as never;
  showUnread({ telemetry, self }, { name: "examples", log }, () => [
    { partition: 0, offset: 7 },
    { partition: 1, offset: 5 },
  ]);
  const value = () =>
    telemetry.watched("cairn_log_records_unread", { log: "examples", actor: "trainer/7" });
  assert.equal(value(), 3, "a reader may be ahead of what was told");
  ends[1] = undefined;
  assert.equal(value(), undefined);
});
