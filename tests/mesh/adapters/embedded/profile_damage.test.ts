/**
 * Damage to the files of the profile store: harmless, or an error that names the file. Only the
 * last transaction before a kill may be dropped, as after a power failure.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { SqliteProfileStore } from "../../../../mesh/adapters/embedded/sqlite_profile_store.ts";
import { findWalDamage } from "../../../../mesh/adapters/embedded/wal_check.ts";
import { verifyProfiles } from "../../../../mesh/adapters/embedded/verify_profiles.ts";
import { ProfileStoreUnavailableError } from "../../../../mesh/ports/profile_store.ts";
import { VirtualClock } from "../../../../mesh/simulation/virtual_clock.ts";
import { present } from "../../../../structures/invariant.ts";

const COMMITS = 12;
const PROFILES_PER_COMMIT = 3;

type Files = Map<string, Uint8Array<ArrayBuffer>>;

function readFiles(directory: string): Files {
  return new Map(
    [...Deno.readDirSync(directory)].map(({ name }) => [
      name,
      Deno.readFileSync(`${directory}/${name}`),
    ]),
  );
}

function writeFiles(directory: string, files: Files): void {
  for (const { name } of Deno.readDirSync(directory)) Deno.removeSync(`${directory}/${name}`);
  for (const [name, bytes] of files) Deno.writeFileSync(`${directory}/${name}`, bytes);
}

const idOf = (commit: number, i: number) => `user-${commit}-${i}`;

/** Writes profiles and ends as a killed process does, with its write-ahead log, or closed. */
async function writeProfiles(directory: string): Promise<{ killed: Files; closed: Files }> {
  const clock = new VirtualClock();
  const store = new SqliteProfileStore({ path: `${directory}/profiles.db`, clock });
  for (let commit = 0; commit < COMMITS; commit++) {
    const puts = Array.from(
      { length: PROFILES_PER_COMMIT },
      (_, i) => store.put("user", idOf(commit, i), { city: `Lisboa ${commit}`, i }),
    );
    await clock.settle(Promise.all(puts));
  }
  const killed = readFiles(directory);
  killed.delete("profiles.db-shm"); // made again from the log
  await store.close();
  return { killed, closed: readFiles(directory) };
}

/** Commits whose profiles are missing; an error's text where the store or a profile is refused. */
function missingCommits(directory: string): number[] | string {
  const clock = new VirtualClock();
  try {
    const store = new SqliteProfileStore({ path: `${directory}/profiles.db`, clock });
    try {
      const missing = new Set<number>();
      for (let commit = 0; commit < COMMITS; commit++) {
        for (let i = 0; i < PROFILES_PER_COMMIT; i++) {
          const profile = store.get("user", idOf(commit, i));
          if (profile === undefined) missing.add(commit);
          else assert.deepEqual(profile.attributes, { city: `Lisboa ${commit}`, i });
        }
      }
      return [...missing];
    } finally {
      store.close();
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return String(error);
  }
}

for (const state of ["killed", "closed"] as const) {
  Deno.test(`any byte flipped in the files of a ${state} profile store is harmless or an error that names the file`, async () => {
    const directory = Deno.makeTempDirSync({ prefix: "cairn-profiles-" });
    const files = (await writeProfiles(directory))[state];
    const bytesOf = [...files].map(([name, { length }]) => ({ name, length }));
    const at = fc.constantFrom(...bytesOf).chain(({ name, length }) =>
      fc.record({ name: fc.constant(name), at: fc.nat(length - 1), bit: fc.nat(7) })
    );
    fc.assert(
      fc.property(at, ({ name, at, bit }) => {
        const bytes = files.get(name)?.slice() ?? new Uint8Array();
        bytes[at] ^= 1 << bit;
        writeFiles(directory, new Map([...files, [name, bytes]]));
        const outcome = missingCommits(directory);
        if (typeof outcome === "string") return assert.match(outcome, /Cannot read .*profiles\.db/);
        const droppable = state === "killed" ? [COMMITS - 1] : [];
        assert.ok(outcome.every((commit) => droppable.includes(commit)), `${outcome} are gone`);
      }),
      { numRuns: 150 },
    );
    Deno.removeSync(directory, { recursive: true });
  });
}

Deno.test("a quiet store has moved its write-ahead log into the database", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-profiles-" });
  const clock = new VirtualClock();
  const store = new SqliteProfileStore({ path: `${directory}/profiles.db`, clock });
  await clock.settle(store.put("item", "m1", { year: 1999 }));
  assert.ok(Deno.statSync(`${directory}/profiles.db-wal`).size > 0);
  await clock.advance(1_000);
  assert.equal(Deno.statSync(`${directory}/profiles.db-wal`).size, 0);
  await store.close();
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("a file that is no database, or has another format, is refused by its name", () => {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-profiles-" });
  const path = `${directory}/profiles.db`;
  Deno.writeTextFileSync(path, "x".repeat(8192));
  const clock = new VirtualClock();
  assert.throws(() => new SqliteProfileStore({ path, clock }), /Cannot read .*profiles\.db: /);
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("a full disk, or the limit in bytes, refuses writes with an error that says so, and they go on when there is room", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-profiles-" });
  const clock = new VirtualClock();
  const store = new SqliteProfileStore({
    path: `${directory}/profiles.db`,
    clock,
    bytesMax: 32_768,
  });
  const large = { text: "x".repeat(40_000) };
  const failed = await clock.settle(store.put("user", "ann", large).catch((error) => error));
  assert.ok(failed instanceof ProfileStoreUnavailableError, String(failed));
  assert.match(
    failed.message,
    /Cannot write to .*profiles\.db: .*full\. Nothing was written\..*limit of 32768 bytes/,
  );
  assert.equal(store.get("user", "ann"), undefined);
  await clock.settle(store.put("user", "ann", { text: "short" }));
  assert.equal(store.count("user"), 1);
  await store.close();
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("verifying names the damaged file, and changes none", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-profiles-" });
  const path = `${directory}/profiles.db`;
  const { killed, closed } = await writeProfiles(directory);
  writeFiles(directory, closed);
  assert.deepEqual(verifyProfiles(path), []);
  const changed = new Map(closed);
  const text = new TextDecoder("latin1").decode(changed.get("profiles.db"));
  const bytes = closed.get("profiles.db")?.slice() ?? new Uint8Array();
  bytes[text.indexOf("Lisboa 3")] ^= 1;
  writeFiles(directory, changed.set("profiles.db", bytes));
  const [problem] = verifyProfiles(path);
  assert.match(problem, /profiles\.db: .*user "user-3-\d" does not match its checksum/);
  assert.deepEqual(readFiles(directory).get("profiles.db"), bytes);
  const wal = killed.get("profiles.db-wal")?.slice() ?? new Uint8Array();
  wal[wal.length >> 1] ^= 1;
  writeFiles(directory, new Map([...killed, ["profiles.db-wal", wal]]));
  assert.match(verifyProfiles(path)[0], /profiles\.db-wal: a damaged frame at byte \d+/);
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("a bit flipped in the header of a frame is damage, unless the last transaction has it", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-profiles-" });
  const { killed } = await writeProfiles(directory);
  Deno.removeSync(directory, { recursive: true });
  const wal = present(killed.get("profiles.db-wal"), "a killed store leaves its log");
  const [header, frame] = [32, 24 + 4_096];
  const pages = (at: number) => new DataView(wal.buffer).getUint32(at + 4); // 0 = no commit yet
  const starts = Array.from(
    { length: (wal.length - header) / frame },
    (_, i) => header + i * frame,
  );
  const commits = starts.filter((at) => pages(at) > 0);
  assert.equal(commits.at(-1), starts.at(-1));
  const synced = starts.filter((at) => at <= present(commits.at(-2), "several commits"));
  assert.ok(synced.length >= COMMITS - 1);
  for (const start of synced) {
    for (let bit = 0; bit < 24 * 8; bit++) {
      const at = start + (bit >> 3);
      wal[at] ^= 1 << (bit & 7);
      assert.equal(findWalDamage(wal), start, `bit ${bit} of the frame at ${start}`);
      wal[at] ^= 1 << (bit & 7);
    }
  }
});

/** A closed store whose items fill several pages: `m1000` and so on. */
async function closedStoreOfMany() {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-profiles-" });
  const path = `${directory}/profiles.db`;
  const clock = new VirtualClock();
  const many = 700;
  const store = new SqliteProfileStore({ path, clock });
  await clock.settle(Promise.all(
    Array.from({ length: many }, (_, i) => store.put("item", `m${1_000 + i}`, { i })),
  ));
  await store.close();
  return { directory, path, clock, many };
}

Deno.test("a start refuses a damaged profile wherever it stands among many", async () => {
  const { directory, path, clock, many } = await closedStoreOfMany();
  const files = readFiles(directory);
  const damages = [
    `UPDATE item_profile SET attributes = '{"i":-1}' WHERE id = ?`,
    "UPDATE item_profile SET version = version + 1 WHERE id = ?",
    "UPDATE item_profile SET id = CAST(id AS BLOB) WHERE id = ?",
  ];
  await fc.assert(
    fc.asyncProperty(fc.nat(many - 1), fc.constantFrom(...damages), async (i, sql) => {
      writeFiles(directory, files);
      const id = `m${1_000 + i}`;
      const database = new DatabaseSync(path);
      database.prepare(sql).run(id);
      database.close();
      assert.throws(
        () => new SqliteProfileStore({ path, clock }),
        /the profile of item .* does not/,
      );
      assert.equal(verifyProfiles(path).length, 1);
      writeFiles(directory, files);
      const whole = new SqliteProfileStore({ path, clock });
      assert.equal(whole.count("item"), many);
      await whole.close();
    }),
    { numRuns: 20 },
  );
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("a start refuses a damaged key that leads to other pages, and pages that are mixed up", async () => {
  const { directory, path, clock } = await closedStoreOfMany();
  const whole = Deno.readFileSync(path);
  const pageBytes = 4_096;
  const pages = Array.from({ length: whole.length / pageBytes }, (_, page) => page);
  const typeOf = (page: number) => whole[page * pageBytes]; // 2 = inner, 10 = leaf of an index tree
  const inner = present(pages.find((page) => page > 0 && typeOf(page) === 2), "items fill pages");
  const leaves = pages.filter((page) => page > inner && typeOf(page) === 10);
  assert.ok(leaves.length > 5);
  const isFound = (damage: (bytes: Uint8Array) => void) => {
    const bytes = whole.slice();
    damage(bytes);
    writeFiles(directory, new Map([["profiles.db", bytes]]));
    if (verifyProfiles(path).length === 0) return false;
    assert.throws(() => new SqliteProfileStore({ path, clock }), /Cannot read .*profiles\.db/);
    return true;
  };
  assert.ok(!isFound(() => {}));
  const text = new TextDecoder("latin1").decode(whole);
  const end = (inner + 1) * pageBytes;
  let keys = 0;
  for (let at = text.indexOf("m1", inner * pageBytes); at >= 0 && at < end; keys++) {
    for (let digit = 1; digit <= 4; digit++) {
      for (const bit of [0, 1, 2]) {
        assert.ok(isFound((bytes) => bytes[at + digit] ^= 1 << bit), `${text.slice(at, at + 5)}`);
      }
    }
    at = text.indexOf("m1", at + 1);
  }
  assert.ok(keys > 3);
  for (const from of leaves.slice(1, 4)) {
    const page = whole.slice(from * pageBytes, (from + 1) * pageBytes);
    for (const to of leaves.filter((leaf) => leaf !== from)) {
      assert.ok(isFound((bytes) => bytes.set(page, to * pageBytes)), `page ${from} at ${to}`);
    }
  }
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("a whole row in the table of the other kind does not match its checksum", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-profiles-" });
  await writeProfiles(directory);
  const database = new DatabaseSync(`${directory}/profiles.db`);
  database.exec("INSERT INTO item_profile SELECT * FROM user_profile");
  database.close();
  const clock = new VirtualClock();
  assert.throws(
    () => new SqliteProfileStore({ path: `${directory}/profiles.db`, clock }),
    /item "user-0-0" does not match its checksum/,
  );
  Deno.removeSync(directory, { recursive: true });
});
