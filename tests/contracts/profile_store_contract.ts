/**
 * The promises of every profile store; the test of each adapter runs them.
 */
import assert from "node:assert/strict";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";

export interface ProfileStoreUnderTest {
  readonly store: ProfileStore;
  /** Lets written profiles become durable: a virtual clock has to be told. */
  settle<T>(promise: Promise<T>): Promise<T>;
  reopen?(): Promise<ProfileStore>;
  dispose(): Promise<void>;
}

export function profileStoreContract(
  adapter: string,
  open: () => Promise<ProfileStoreUnderTest>,
): void {
  const test = (name: string, run: (under: ProfileStoreUnderTest) => Promise<void>) =>
    Deno.test(`${adapter}: ${name}`, async () => {
      const under = await open();
      try {
        await run(under);
      } finally {
        await under.dispose();
      }
    });

  test("a profile is read back as it was put, and users are not items", async ({ store, settle }) => {
    const attributes = { genres: ["Drama", "Sci-Fi"], year: 1999, kids: false, note: null };
    const put = await settle(store.put("item", "1", attributes));
    assert.deepEqual(store.get("item", "1"), put);
    assert.deepEqual(put.attributes, attributes);
    assert.equal(put.version, 1);
    assert.ok(put.updatedAtMs > 1_000_000_000_000);
    assert.equal(store.get("user", "1"), undefined);
    assert.equal(store.count("item"), 1);
    assert.equal(store.count("user"), 0);
  });

  test("a stored profile is read whether or not it was loaded, and an absent one is none", async (under) => {
    const { store, settle } = under;
    const put = await settle(store.put("item", "1", { year: 1999 }));
    await settle(store.put("item", "2", { year: 2000 }));
    await settle(store.delete("item", "2"));
    const again = await under.reopen?.() ?? store;
    assert.deepEqual(await settle(again.read("item", "1")), put);
    for (const id of ["2", "3"]) assert.equal(await settle(again.read("item", id)), undefined);
    assert.equal(await settle(again.read("user", "1")), undefined);
  });

  test("a put replaces all attributes and raises the version by one", async ({ store, settle }) => {
    await settle(store.put("user", "ann", { age: 30, city: "Porto" }));
    await settle(store.put("user", "ann", { age: 31 }));
    const profile = store.get("user", "ann")!;
    assert.deepEqual(profile.attributes, { age: 31 });
    assert.equal(profile.version, 2);
    assert.equal(store.count("user"), 1);
  });

  test("concurrent puts of one profile are numbered in the order of the calls", async ({ store, settle }) => {
    const puts = await settle(
      Promise.all([1, 2, 3].map((age) => store.put("user", "ann", { age }))),
    );
    assert.deepEqual(puts.map(({ version }) => version), [1, 2, 3]);
    assert.deepEqual(store.get("user", "ann")!.attributes, { age: 3 });
    assert.equal(store.count("user"), 1);
  });

  test("what the caller changes afterwards does not change the profile", async ({ store, settle }) => {
    const attributes: Record<string, string[]> = { genres: ["Drama"] };
    await settle(store.put("item", "1", attributes));
    attributes.genres.push("Horror");
    assert.deepEqual(store.get("item", "1")!.attributes, { genres: ["Drama"] });
  });

  test("an id is any text", async ({ store, settle }) => {
    for (const id of ["", "a b", "Ω/ü", "'; drop table user; --"]) {
      await settle(store.put("item", id, { id }));
      assert.deepEqual(store.get("item", id)?.attributes, { id });
    }
    assert.equal(store.count("item"), 4);
  });

  test("a deleted profile is gone, another of the same id stays, and deleting again changes nothing", async ({ store, settle }) => {
    await settle(store.put("user", "ann", { age: 30 }));
    await settle(store.put("item", "ann", { year: 1999 }));
    assert.equal(await settle(store.delete("user", "ann")), true);
    assert.equal(store.get("user", "ann"), undefined);
    assert.equal(store.count("user"), 0);
    assert.deepEqual(store.get("item", "ann")?.attributes, { year: 1999 });
    assert.equal(await settle(store.delete("user", "ann")), false);
    assert.equal(store.count("user"), 0);
  });

  test("puts and deletions of one profile happen in the order of the calls", async ({ store, settle }) => {
    const [first, , again, gone, absent, last] = await settle(Promise.all([
      store.put("item", "1", { i: 1 }),
      store.put("item", "1", { i: 2 }),
      store.delete("item", "1"),
      store.delete("item", "1"),
      store.delete("item", "2"),
      store.put("item", "1", { i: 3 }),
    ]));
    assert.deepEqual([first.version, again, gone, absent, last.version], [
      1,
      true,
      false,
      false,
      1,
    ]);
    assert.deepEqual(store.get("item", "1"), last);
    assert.equal(store.count("item"), 1);
  });

  test("a profile is replaced if it is as it was read, and left alone if not", async ({ store, settle }) => {
    const first = await settle(store.put("item", "1", { i: 1 }));
    const second = await settle(store.replace("item", first, { i: 2 }));
    assert.deepEqual([second?.version, second?.attributes], [2, { i: 2 }]);
    assert.deepEqual(store.get("item", "1"), second);
    assert.equal(await settle(store.replace("item", first, { i: 3 })), undefined);
    assert.deepEqual(store.get("item", "1"), second);
    assert.equal(await settle(store.replace("user", second!, { i: 3 })), undefined);
    assert.equal(store.get("user", "1"), undefined);
    await settle(store.delete("item", "1"));
    assert.equal(await settle(store.replace("item", second!, { i: 3 })), undefined);
    assert.equal(store.get("item", "1"), undefined);
    assert.equal(store.count("item"), 0);
    assert.equal(store.count("user"), 0);
  });

  test("one of many replacements of the same profile is made", async ({ store, settle }) => {
    const before = await settle(store.put("item", "1", { i: 0 }));
    const made = await settle(
      Promise.all([1, 2, 3, 4].map((i) => store.replace("item", before, { i }))),
    );
    const [winner, ...others] = made.filter((profile) => profile !== undefined);
    assert.deepEqual(others, []);
    assert.deepEqual(store.get("item", "1"), winner);
    assert.equal(store.count("item"), 1);
  });

  test("many are read at once, in the order asked for", async ({ store, settle }) => {
    const ids = ["b", "", "Ω/ü", "a"];
    await settle(Promise.all(ids.map((id) => store.put("item", id, { id }))));
    const asked = ["a", "unknown", "Ω/ü", "a", "", "b"];
    assert.deepEqual(
      store.getMany("item", asked),
      asked.map((id) => store.get("item", id)),
    );
    assert.deepEqual(store.getMany("user", asked), asked.map(() => undefined));
    assert.deepEqual(store.getMany("item", []), []);
  });

  test("who listens hears of each change when it is readable, before its writer does", async ({ store, settle }) => {
    const heard: string[] = [];
    const unsubscribe = store.onChanged("item", (id) => {
      heard.push(`${id}: ${store.get("item", id ?? "")?.attributes.age}`);
    });
    const put = (age: number) => store.put("item", "a", { age }).then(() => heard.push("told"));
    await settle(put(1));
    await settle(put(2));
    await settle(store.put("user", "a", {}));
    await settle(store.delete("item", "a").then(() => heard.push("told")));
    assert.deepEqual(heard, ["a: 1", "told", "a: 2", "told", "a: undefined", "told"]);
    unsubscribe();
    await settle(store.put("item", "a", {}));
    assert.equal(heard.length, 6);
  });

  test("a thousand writes in one turn are all there, in the order of the calls", async ({ store, settle }) => {
    const writes = Array.from({ length: 1_000 }, (_, i) => store.put("item", `${i % 400}`, { i }));
    const put = await settle(Promise.all(writes));
    put.forEach(({ attributes, version }, i) => {
      assert.deepEqual([attributes.i, version], [i, 1 + Math.floor(i / 400)]);
    });
    assert.deepEqual(store.get("item", "199")!.attributes, { i: 999 });
    assert.equal(store.count("item"), 400);
  });

  test("the pages have every profile of their kind, as it was written last", async ({ store, settle }) => {
    const ids = ["b", "ä", "a", "Z", "10", "9", "日本", "😀"];
    for (const id of ids) await settle(store.put("item", id, { id }));
    await settle(store.put("user", "ann", {}));
    await settle(store.delete("item", "9"));
    await settle(store.put("item", "b", { id: "new" }));
    const listed = new Map<string, unknown>();
    let cursor: string | undefined;
    do {
      const page = await settle(store.list("item", cursor, 3));
      for (const { id, attributes } of page.profiles) listed.set(id, attributes.id);
      cursor = page.next;
    } while (cursor !== undefined);
    const expected = ids.filter((id) => id !== "9").map((id) => [id, id === "b" ? "new" : id]);
    assert.deepEqual([...listed].sort(), expected.sort());
  });

  test("profiles outlive a restart, deleted ones stay deleted", async (under) => {
    if (!under.reopen) return;
    for (let i = 0; i < 50; i++) await under.settle(under.store.put("item", `${i}`, { i }));
    await under.settle(under.store.put("item", "50", {}));
    await under.settle(under.store.delete("item", "50"));
    const again = await under.reopen();
    assert.equal(again.count("item"), 50);
    await again.load("item", Array.from({ length: 51 }, (_, i) => `${i}`));
    assert.equal(again.get("item", "50"), undefined);
    for (let i = 0; i < 50; i++) assert.deepEqual(again.get("item", `${i}`)?.attributes, { i });
    assert.equal((await under.settle(again.put("item", "7", { i: 70 }))).version, 2);
  });
}
