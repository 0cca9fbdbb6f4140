/**
 * Records apart, which no look at all records reads, over every record store.
 */
import assert from "node:assert/strict";
import { APART_PREFIX, type Json } from "../../../mesh/ports/record_store.ts";
import { activate, type ContractTest, control, host } from "./coordination_under_test.ts";

const KEY = `${APART_PREFIX}note`;

export function recordsApartContract(test: ContractTest): void {
  test("a look at all records leaves those apart out, and a transaction reads them by their keys", async ({ store }) => {
    const records = await store();
    await records.transact((view) => view.set("note", "b"));
    await records.transact((view) => view.set(KEY, "a"), { keys: [KEY] });
    const read = () =>
      records.transact((view) => [view.get(KEY), view.get("note")], { keys: [KEY, "note"] });
    const listed = await records.transact((view) => view.entries("").map(([key]) => key));
    assert.ok(listed.includes("note") && !listed.includes(KEY), `${listed}`);
    assert.deepEqual(await read(), ["a", "b"]);
    await assert.rejects(
      records.transact((view) => view.get(KEY)),
      /a transaction declares the keys that it reads/,
    );
    await records.transact((view) => view.delete(KEY), { keys: [KEY] });
    assert.deepEqual(await read(), [undefined, "b"]);
  });

  test("transactions that change a record apart at once lose no change", async ({ store }) => {
    const stores = [await store(), await store()];
    const add = (view: { get(key: string): Json | undefined }) => Number(view.get(KEY) ?? 0) + 1;
    await Promise.all(
      Array.from(
        { length: 20 },
        (_, i) =>
          stores[i % 2].transact((view) => view.set(KEY, add(view)), {
            keys: i % 3 === 0 ? [KEY] : ["other", KEY],
          }),
      ),
    );
    assert.equal(await stores[0].transact((view) => view.get(KEY), { keys: [KEY] }), 20);
  });

  test("a look at the mesh reads no history of moves", async ({ mesh, store }) => {
    const a = host("a");
    await mesh.join(a);
    const epoch = await control(mesh, a);
    await activate(mesh, epoch, "shard/0", a);
    assert.equal((await mesh.history("shard/0")).last?.to, "a");
    const records = await store();
    const keys = await records.transact((view) => view.entries("").map(([key]) => key));
    assert.ok(keys.includes("shard/0") && !keys.some((key) => key.includes("history")), `${keys}`);
  });
}
