/**
 * Erasure of a user in a real server with a data directory: when the receipt says `erased`, no file
 * has the id, as text or as hash, and the server has no row of it.
 */
import assert from "node:assert/strict";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import { FeatureHasher } from "../../kernels/embedding/feature_hasher.ts";
import { crossIds } from "../../kernels/features/user_slots.ts";
import { featureIdOf, signatureOf } from "../../records/forgotten.ts";
import type { ErasureAnswer } from "../../gateway/schemas/erasures.ts";
import type { RunningMesh } from "../../server/compose.ts";
import { addresses } from "../../server/addresses.ts";
import { rowsOf } from "../../simulation/checkers/shard_rows.ts";
import { tracesIn, tracesOf } from "../traces_of_id.ts";
import {
  type PlacementName,
  placements,
  smallConfiguration,
  startSmallMesh,
} from "./small_mesh.ts";

const USER = "ann.the-erased-visitor@example.org";
const items = Array.from({ length: 6 }, (_, i) => `item-${i}`);

function configuration(placement: PlacementName, directory: string): string {
  const storage =
    `{ kind: directory, path: ${directory}, snapshots: { interval: 1s, spread: 0ms } }`;
  return smallConfiguration(placement, storage)
    .replace("deadline: 5s", "deadline: 1s")
    .replace(
      "model:",
      `    userItem: { kind: cross, of: [user, item] }
    userTags: { kind: cross, of: [user, tags] }
    clicked: { kind: list, source: user, idsOf: item }
kept:
  features:
    clicked: { kind: history, action: click, last: 10 }
model:`,
    );
}

async function rowsIn({ mesh, configuration }: RunningMesh): Promise<Map<bigint, string>> {
  const rows = new Map<bigint, string>();
  for (let shard = 0; shard < configuration.shardCount; shard++) {
    const ref = mesh.actorRef<EmbeddingShardMessage>(addresses.embeddingShard(shard, 0));
    for await (const page of rowsOf(ref)) {
      const width = page.rows.length / Math.max(1, page.ids.length);
      page.ids.forEach((id, i) => {
        rows.set(id, [...page.rows.subarray(i * width, (i + 1) * width)].join());
      });
    }
  }
  return rows;
}

async function json(mesh: RunningMesh, method: string, path: string, body?: unknown) {
  const response = await mesh.fetch(
    new Request(`http://cairn${path}`, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      }),
    }),
  );
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}

/** The receipt, when its status is the one waited for. */
async function receipt(
  mesh: RunningMesh,
  erasureId: string,
  status: ErasureAnswer["status"],
): Promise<ErasureAnswer> {
  const untilMs = performance.now() + 60_000;
  for (;;) {
    const { body } = await json(mesh, "GET", `/v1/erasures/${erasureId}`);
    if (body.status === status) return body;
    assert.ok(performance.now() < untilMs, JSON.stringify(body, undefined, 1));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

for (const placement of Object.keys(placements) as PlacementName[]) {
  Deno.test(`an erased user is found in no table and no file after the receipt, ${placement}`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "cairn-erasure-" });
    const yaml = configuration(placement, directory);
    let { mesh, client, problems } = await startSmallMesh(yaml);
    try {
      await json(mesh, "PUT", `/v1/users/${USER}`, { attributes: { clicked: items.slice(0, 2) } });
      let acceptedAtMs = 0;
      for (const user of [USER, "bob", USER, "eve"]) {
        const { rankingId } = await client.rank(user, items);
        const [event] = await client.post([
          { eventId: `${rankingId}-click`, rankingId, item: items[1], action: "click" },
        ]);
        acceptedAtMs = event.acceptedAtMs;
      }
      await client.rankFresh(USER, items, acceptedAtMs);
      assert.ok((await tracesIn(directory, USER)).length > 0, "the search finds an id");
      const signature = new DataView(tracesOf(USER).get("hash, big-endian")!.buffer);
      const hash = BigInt(signature.getUint16(0)) << 32n | BigInt(signature.getUint32(2));
      const isOfUser = (id: bigint) => (id & 0xffffffffffffn) === hash;
      assert.equal([...(await rowsIn(mesh)).keys()].filter(isOfUser).length, 1);

      const begun = await json(mesh, "DELETE", `/v1/users/${USER}?forget=true`);
      assert.equal(begun.status, 202);
      assert.equal(begun.body.profile.removed, true);
      assert.ok(begun.body.gateway.rankingsForgotten >= 3);
      // The server is killed in the middle, as far as it goes without ending the test's process.
      await mesh.stop();
      ({ mesh, client, problems } = await startSmallMesh(yaml));
      const { erasureId } = begun.body;
      const erased = await receipt(mesh, erasureId, "erased");
      assert.deepEqual(erased.holds, []);
      assert.ok((erased.completedAtMs ?? Date.now()) < erased.byMs, JSON.stringify(erased));
      assert.deepEqual(
        erased.trainers[0].crosses.map(({ slot, outcome }) => [slot, outcome]),
        [["userItem", "complete"], ["userTags", "complete"]],
      );
      assert.deepEqual(await tracesIn(directory, USER), []);
      const rows = [...(await rowsIn(mesh)).keys()];
      assert.equal(rows.filter(isOfUser).length, 0);
      assert.ok(rows.length > 0);
      const { userSlots } = mesh.configuration.trainer;
      const crossesOf = (user: string) => {
        const parts = (slot: number) =>
          userSlots.ids.includes(slot)
            ? BigUint64Array.of(featureIdOf(slot, signatureOf(user)))
            : BigUint64Array.from(items, (item) => featureIdOf(slot, signatureOf(item)));
        const [userItem] = userSlots.crosses;
        const ids = [...crossIds(userItem, parts, FeatureHasher.create())];
        return ids.flatMap((some) => [...some]).filter((id) => rows.includes(id)).length;
      };
      assert.equal(crossesOf(USER), 0);
      assert.ok(crossesOf("bob") > 0, "the crosses of others stay");
      const ranking = await client.rank("bob", items);
      assert.ok(ranking.items.some(({ cold }) => !cold));
      assert.deepEqual(problems, []);
    } finally {
      await mesh.stop();
      await Deno.remove(directory, { recursive: true });
    }
  });
}
