/** The record of a demo that has failed. */
import assert from "node:assert/strict";
import { FAILURE_FILE, recordFailure } from "../../../cli/demo_mesh/failure_record.ts";
import { CommandError } from "../../../cli/errors.ts";

Deno.test("the record has the error with its cause and stack, and the ends of all logs", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/redis`);
    await Deno.writeTextFile(`${folder}/redis/server.log`, "ready\nfailed to sync\n");
    const lines = Array.from({ length: 50 }, (_, i) => `line ${i}`);
    await Deno.writeTextFile(`${folder}/edge-1.log`, lines.join("\n") + "\n");
    await Deno.writeTextFile(`${folder}/mesh.yaml`, "mesh: {}\n");
    const error = new CommandError("Host edge has ended", 1, new Error("no answer"));
    const said = await recordFailure(folder, {
      error,
      step: "kill -9 edge",
      atMs: 30_400,
      load: [27, 20.25, 9],
    });
    assert.match(said, /Failed after 30 s, at "kill -9 edge", under a load of 27\.0, 20\.3, 9\.0/);
    assert.ok(said.includes(`${folder}/${FAILURE_FILE}`));
    const record = await Deno.readTextFile(`${folder}/${FAILURE_FILE}`);
    assert.match(record, /Host edge has ended\n[^]*failure_record\.test\.ts/);
    assert.match(record, /because: no answer/);
    assert.match(record, /edge-1\.log:\n {2}line 30\n[^]*line 49/);
    assert.match(record, /server\.log:\n {2}ready\n {2}failed to sync/);
    assert.doesNotMatch(record, /line 29\n|mesh: \{\}/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an error in the cleanup does not hide the first one from the record", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const first = new Error("the first");
    const error = new SuppressedError(new Error("the cleanup"), first);
    await recordFailure(folder, { error, step: "", atMs: 0, load: [] });
    const record = await Deno.readTextFile(`${folder}/${FAILURE_FILE}`);
    assert.match(record, /the first/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
