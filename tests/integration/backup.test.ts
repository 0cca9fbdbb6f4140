/**
 * Goal: a data directory is copied while its server answers, and a server that starts from the copy
 * in another folder has every earlier event, each learned once, and the stored attributes.
 *
 * Method: real processes; segments and snapshots are small and frequent, so that the server trims
 * and deletes while the backup copies.
 */
import assert from "node:assert/strict";
import { runCaptured } from "../cli/captured_command.ts";
import { eventually, MeshProcess } from "./mesh_process.ts";
import type { Event } from "./small_mesh.ts";

const configuration = `
features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
    colour: { kind: categorical, source: item }
model: { kind: deepFm, embeddingDim: 4, hidden: [8], tasks: [click] }
joiner:
  window: 1s
  tasks: { click: [{ action: click, label: positive, final: true }] }
trainer: { linger: 5ms }
gateway: { eventsRememberedMax: 1000, rankingsRememberedMax: 1000 }
storage:
  kind: directory
  path: data
  logBytesMax: 16MiB
  snapshots: { interval: 1s, spread: 0s, retained: 2 }
`;

/** Rankings with a click each, until it is stopped; the accepted events in order. */
function traffic(server: MeshProcess, run: string) {
  const accepted: Event[] = [];
  /** Items whose attributes were stored. */
  const stored: string[] = [];
  let stopped = false;
  const lane = async (lane: number) => {
    for (let n = 0; !stopped; n++) {
      const items = Array.from({ length: 40 }, (_, i) => `item-${(n + i) % 200}`);
      const { rankingId } = await server.client.rank(`user-${n % 20}`, items);
      const eventId = `${run}-${lane}-${n}`;
      const event = { eventId, rankingId, item: items[0], action: "click" };
      const [{ status }] = await server.client.post([event]);
      if (status === "accepted") accepted.push(event);
    }
  };
  const writer = async () => {
    for (let n = 0; !stopped; n++) {
      await put(server, `/v1/items/stored-${n}`, { attributes: { colour: `colour ${n}` } });
      stored.push(`stored-${n}`);
    }
  };
  const lanes = Promise.all([...[0, 1, 2, 3].map(lane), writer()]);
  return {
    accepted,
    stored,
    async stop() {
      stopped = true;
      await lanes;
    },
  };
}

async function clicksLearned(server: MeshProcess): Promise<number> {
  const text = await server.client.text("/metrics");
  const line = /^cairn_joiner_outcomes_total\{outcome="actionsMatched"\} (\d+)/m.exec(text);
  return Number(line?.[1] ?? 0);
}

/** A write that a busy disk did not confirm in time is sent again, as its answer says. */
async function put(server: MeshProcess, path: string, body: unknown, tries = 5): Promise<void> {
  const response = await fetch(`${server.url}${path}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.text();
  if (response.status === 504 && tries > 1) return await put(server, path, body, tries - 1);
  assert.ok(response.ok, answer);
}

Deno.test("a backup of a running server starts elsewhere with all that was accepted", async () => {
  const folder = await Deno.makeTempDir();
  const [here, there] = [`${folder}/here`, `${folder}/there`];
  try {
    for (const place of [here, there]) {
      await Deno.mkdir(place);
      await Deno.writeTextFile(`${place}/cairn.yaml`, configuration);
    }
    const first = await MeshProcess.start(`${here}/cairn.yaml`);
    let before: Event[] = [];
    let storedBefore: string[] = [];
    try {
      await put(first, "/v1/items/item-1", { attributes: { colour: "red" } });
      const { accepted, stored, stop } = traffic(first, "a");
      try {
        const taken = () => first.metric("cairn_snapshots_total");
        assert.ok(await eventually(async () => await taken() >= 3), "snapshots are taken");
        for (const copy of ["early", "data"]) {
          const [known, knownItems] = [[...accepted], [...stored]];
          const target = copy === "data" ? `${there}/data` : `${folder}/${copy}`;
          const { code, out, err } = await runCaptured(
            ...["data", "backup", `${here}/data`, target, "--json"],
          );
          assert.equal(code, 0, err);
          const { files, snapshot } = JSON.parse(out);
          assert.ok(files > 5 && /^\d{15}$/.test(snapshot), out);
          [before, storedBefore] = [known, knownItems];
        }
      } finally {
        await stop();
      }
    } finally {
      await first.kill("SIGKILL");
    }

    const second = await MeshProcess.start(`${there}/cairn.yaml`);
    try {
      const item = await (await fetch(`${second.url}/v1/items/item-1`)).json();
      assert.deepEqual(item.attributes, { colour: "red" });
      assert.ok(storedBefore.length > 0);
      for (const id of storedBefore.slice(-50)) {
        const response = await fetch(`${second.url}/v1/items/${id}`);
        assert.equal(response.status, 200, await response.text());
      }
      // The newest earlier events are known: sent again, they are duplicates.
      const again = await second.client.post(before.slice(-100));
      assert.deepEqual(new Set(again.map(({ status }) => status)), new Set(["duplicate"]));
      // It ranks and learns on.
      const { accepted, stop } = traffic(second, "b");
      const learnsOn = await eventually(async () =>
        accepted.length > 50 && await clicksLearned(second) > 50
      );
      await stop();
      assert.ok(learnsOn, second.said);
      assert.doesNotMatch(second.said, /damaged|lost/);
    } finally {
      await second.kill("SIGTERM");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a backup is refused into a folder that holds something, and of a folder that is no data", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/data/events`, { recursive: true });
    await Deno.mkdir(`${folder}/data/examples`);
    const full = await runCaptured("data", "backup", `${folder}/data`, folder);
    assert.equal(full.code, 1);
    assert.match(full.err, /has data in it. Give an empty folder/);
    await Deno.mkdir(`${folder}/data/examples/0`);
    await Deno.writeTextFile(`${folder}/data/examples/0/0000000000000007.begin`, "");
    const trimmed = await runCaptured("data", "backup", `${folder}/data`, `${folder}/trimmed`);
    assert.equal(trimmed.code, 1);
    assert.match(trimmed.err, /data holds no snapshot, and .* were trimmed.*a bucket, give the/s);
    const none = await runCaptured("data", "backup", folder, `${folder}/copy`);
    assert.equal(none.code, 1);
    assert.match(none.err, /has no logs in it.*on Redis, give the configuration/s);
    const config = `${folder}/cairn.yaml`;
    const redis = 'path: data\n  redis: { url: "redis://127.0.0.1:1" }';
    await Deno.writeTextFile(config, configuration.replace("path: data", redis));
    const backup = () => runCaptured("data", "backup", config, `${folder}/copy`);
    assert.match((await backup()).err, /data holds no snapshot/);
    await Deno.mkdir(`${folder}/data/blobs`);
    assert.match((await backup()).err, /There is no snapshot yet in .*data\. Try again later/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
