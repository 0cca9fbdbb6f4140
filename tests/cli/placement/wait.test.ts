/** A command's wait, also while the store does not answer. */
import assert from "node:assert/strict";
import { Wait } from "../../../cli/placement/wait.ts";
import type { MeshView } from "../../../mesh/ports/coordination.ts";
import { RecordsLostError, RecordStoreUnavailableError } from "../../../mesh/ports/record_store.ts";
import { ignore, withWorld } from "./joined_hosts.ts";

type Answer = Error | number;

/** A wait for revision 9 at a store that gives these answers to its reads; the last one again. */
async function waited(answers: readonly Answer[], timeout: number) {
  let err = "";
  let reads = 0;
  const read = () => {
    const answer = answers[Math.min(reads++, answers.length - 1)];
    return answer instanceof Error
      ? Promise.reject(answer)
      : Promise.resolve({ revision: answer } as MeshView);
  };
  const coordination = { watch: () => Promise.resolve(0) };
  const output = { out() {}, err: (text: string) => void (err += text) };
  const wait = Wait.of({ read, coordination } as never, { timeout }, output);
  assert.ok(wait !== undefined);
  const failure = await wait.until(({ revision }) => revision === 9).catch((error) => error);
  return { failure, err };
}

const away = new RecordStoreUnavailableError("the store", new Error("it is stopped"));

Deno.test("a wait ends at its timeout while the store does not answer, and has said so once", async () => {
  const { failure, err } = await waited([1, away], 30);
  assert.match(failure.message, /^It is not done within 30ms\./);
  assert.match(err, /^Cannot reach the store: it is stopped\. .* The command waits on\.\n$/);
});

Deno.test("a wait ends with a store that has lost what it is about", async () => {
  const lost = new RecordsLostError("the store", 8, 2);
  assert.equal((await waited([1, lost], 10_000)).failure, lost);
});

Deno.test({
  name: "reshard --wait goes on when Redis was gone for a moment",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const waits = world.launch("reshard", "--shards", "8", "--wait");
      await waits.says(/^a snapshot is taken$/m);
      await world.server.kill();
      await waits.says(/waits on/);
      await world.server.start();
      assert.equal((await world.run("cancel")).code, 0);
      const { code, err } = await waits.ended;
      assert.equal(code, 1);
      assert.match(
        err,
        /^a snapshot is taken\nCannot reach the Redis at .* The command waits on\.\ncancelled\nerror: The change was cancelled\.\n/,
      );
    }),
});
