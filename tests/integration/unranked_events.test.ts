/** Events without a ranking, in a real mesh. */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { decodeEvent, type ImpressionRecord, itemsShown } from "../../records/event_record.ts";
import { startMesh } from "../../server/machine/start_mesh.ts";
import { waitReady } from "../../server/waits.ts";
import { eventually } from "./mesh_process.ts";

const yaml = `
features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
model: { kind: deepFm, embeddingDim: 4, hidden: [4], tasks: [click] }
placement: { kind: singleThread }
`;

Deno.test("stored items without an event become sampled negatives of an event without a ranking", async () => {
  const mesh = await startMesh(parseConfiguration(yaml, "cairn.yaml"), { logLevelMin: "error" });
  try {
    await waitReady(mesh);
    const { eventLog, profiles } = mesh.stores;
    for (let i = 0; i < 300; i++) await profiles.put("item", `stored${i}`, {});
    let sent = 0;
    /** Sends an event and gives the items of the ranking that is made of it. */
    const click = async () => {
      const before = await eventLog.endOffset(0);
      const user = `u${++sent}`;
      const response = await mesh.fetch(
        new Request("http://cairn/v1/events", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ eventId: user, user, item: "acted", action: "click" }),
        }),
      );
      assert.equal((await response.json()).accepted, 1);
      const [{ bytes }] = await eventLog.read(0, before, 1);
      return itemsShown(decodeEvent(bytes) as ImpressionRecord);
    };
    const [item] = await click();
    assert.equal(item, "acted");
    const hasStored = async () => (await click()).some((id) => id.startsWith("stored"));
    assert.ok(await eventually(hasStored), "a stored item is among the negatives");
  } finally {
    await mesh.stop();
  }
});
