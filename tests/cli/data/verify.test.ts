/**
 * Goal: `cairn data verify` finds any flipped byte and any missing end. Method: a directory that a
 * mesh in this process wrote, damaged file by file.
 */
import assert from "node:assert/strict";
import { smallConfiguration, startSmallMesh } from "../../integration/small_mesh.ts";
import { waitLearned } from "../../../server/waits.ts";
import { runCaptured } from "../captured_command.ts";

async function writeDirectory(path: string): Promise<void> {
  const storage = `{ kind: directory, path: ${path} }`;
  const { mesh, client } = await startSmallMesh(smallConfiguration("in one thread", storage));
  for (let round = 0; round < 5; round++) {
    const { rankingId } = await client.rank("cat", ["a", "b"]);
    await client.post([{ eventId: `e${round}`, rankingId, item: "a", action: "click" }]);
  }
  await waitLearned(mesh);
  await mesh.stop();
}

Deno.test("data verify finds damage in each kind of file, and changes nothing", async () => {
  const folder = await Deno.makeTempDir({ prefix: "cairn-verify-" });
  const data = `${folder}/data`;
  try {
    await writeDirectory(data);
    const whole = await runCaptured("data", "verify", data);
    assert.equal(whole.code, 0, whole.err + whole.out);
    assert.match(whole.out, /^\d+ files and parts of snapshots read, 0 problems\n$/);

    const snapshots = Array.from(Deno.readDirSync(`${data}/blobs/snapshots`));
    const files = [
      "events/log.json",
      "events/0/0000000000000000.segment",
      "examples/0/0000000000000000.segment",
      "events/offsets/(durable).json",
      `blobs/snapshots/${snapshots[0].name}/manifest.json`,
      `blobs/snapshots/${snapshots[0].name}/trainer/0`,
      `blobs/snapshots/${snapshots[0].name}/shard-1/header`,
    ];
    for (const file of files) {
      const path = `${data}/${file}`;
      const bytes = await Deno.readFile(path);
      const changed = bytes.slice();
      changed[Math.floor(bytes.length / 3)] ^= 4;
      await Deno.writeFile(path, changed);
      const found = await runCaptured("data", "verify", data, "--json");
      assert.equal(found.code, 1, `${file}: ${found.out}`);
      const { problems } = JSON.parse(found.out);
      assert.equal(problems.length, 1, `${file}: ${problems}`);
      assert.ok(problems[0].includes(file.replace("(durable)", "")) || /durable/.test(problems[0]));
      assert.deepEqual(await Deno.readFile(path), changed, "verifying changes nothing");
      await Deno.writeFile(path, bytes);
    }
    await Deno.remove(`${data}/events`, { recursive: true });
    const lost = await runCaptured("data", "verify", data);
    assert.match(lost.out, /events is missing, and the other log is there/);

    const typo = await runCaptured("data", "verify", `${folder}/typo`);
    assert.equal(typo.code, 1);
    assert.match(typo.err, /is not a data directory/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
