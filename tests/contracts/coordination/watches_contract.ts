/**
 * Waits for a change of the mesh, over every record store.
 */
import assert from "node:assert/strict";
import { a, type ContractTest, HOUR_MS } from "./coordination_under_test.ts";

export function watchesContract(test: ContractTest): void {
  test("a watcher wakes for a change of another process", async ({ mesh, another }) => {
    const other = await another();
    const { revision } = await mesh.read();
    assert.equal(await mesh.watch(revision, 1), revision, "nothing happened");
    const woken = mesh.watch(revision, HOUR_MS);
    await other.join(a);
    const now = await woken;
    assert.ok(now > revision);
    assert.equal(await mesh.watch(revision, HOUR_MS), now, "it is told of what it missed");
  });

  test("a closed store ends its waits", async ({ mesh, store }) => {
    const { revision } = await mesh.read();
    const own = await store();
    const waiting = own.watch(revision, HOUR_MS);
    await own.close();
    assert.ok(await waiting <= revision);
  });
}
