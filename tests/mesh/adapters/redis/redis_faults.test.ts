/**
 * Faults of real servers: killed, stopped, full, and unsafe settings.
 */
import assert from "node:assert/strict";
import { LocalServer, type ServerProgram } from "../../../../mesh/adapters/redis/local_server.ts";
import { RedisRecordStore } from "../../../../mesh/adapters/redis/redis_record_store.ts";
import { REDIS_PERMISSIONS, remedyOf } from "../../../../mesh/adapters/redis/redis_client.ts";
import {
  RedisConnection,
  RedisUnavailableError,
} from "../../../../mesh/adapters/redis/redis_connection.ts";
import { RedisProfileStore } from "../../../../mesh/adapters/redis/redis_profile_store.ts";
import { RedisServer } from "../../../../mesh/adapters/redis/redis_server.ts";
import { UnsafeRedisError } from "../../../../mesh/adapters/redis/server_check.ts";
import {
  isOfServer,
  LateAppendError,
  LogFullError,
  LogUnavailableError,
  StaleWriterError,
} from "../../../../mesh/ports/event_log.ts";
import { isAway } from "../../../../mesh/ports/away.ts";
import { testsOf, text, texts } from "./own_server.ts";
import { PATIENT_MS, withPrograms } from "./servers.ts";

withPrograms((program: ServerProgram) => {
  const test = testsOf(program);

  test("appends over a kill -9 of the server are there once each, in order", async (world) => {
    const log = await world.log(await world.open());
    const appends: Promise<number>[] = [];
    for (let i = 0; i < 300; i++) {
      appends.push(log.append(0, [text(`${i}`)], i % 7 === 0 ? "written" : "durable"));
      if (i % 10 === 0) await appends.at(-1);
      if (i === 100 || i === 200) {
        const killed = world.local.kill();
        for (let k = 0; k < 5; k++) appends.push(log.append(0, [text(`${i}+${k}`)]));
        await killed;
        await world.local.start();
      }
    }
    await Promise.all(appends);
    const found = await texts(log);
    assert.equal(found.length, new Set(found).size, "no record is there twice");
    assert.equal(found.length, 310);
    const numbers = found.filter((each) => !each.includes("+")).map(Number);
    assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
  });

  test("a ranking that was answered before its append is in the log all the same", async (world) => {
    const server = await world.open();
    const log = await world.log(server, { writtenBudgetMs: 50 });
    // The connection of the paused appends is read no further.
    const { commands } = await world.open();
    await commands.send(["CLIENT", "PAUSE", 600_000, "WRITE"]);
    // The second one waits for the first.
    const appends = [log.append(0, [text("a")], "written")];
    await new Promise((resolve) => setTimeout(resolve, 5));
    appends.push(log.append(0, [text("b")], "written"));
    const failures = await Promise.all(appends.map((each) => each.catch((error) => error)));
    await commands.send(["CLIENT", "UNPAUSE"]);
    for (const failure of failures) assert.ok(failure instanceof LateAppendError, `${failure}`);
    assert.deepEqual(await Promise.all(failures.map(({ outcome }) => outcome)), [0, 1]);
    assert.deepEqual(await texts(log), ["a", "b"]);
  });

  test("a ranking is in the log after a restart of the server that it was answered in", async (world) => {
    const log = await world.log(await world.open(), { writtenBudgetMs: 1 });
    await world.local.kill();
    const late = await log.append(0, [text("a")], "written").catch((error) => error);
    assert.ok(late instanceof LateAppendError, `${late}`);
    await world.local.start();
    assert.equal(await late.outcome, 0);
    assert.deepEqual(await texts(log), ["a"]);
  });

  test("a record that is sent again is as it was, whatever its writer has put into its memory", async (world) => {
    const server = await world.open();
    const log = await world.log(server);
    // Nothing is durable until the server starts again.
    await server.commands.send(["CONFIG", "SET", "appendfsync", "no"]);
    await log.append(0, [text("a")], "written");
    const restore = await world.copyData();
    const record = text("b");
    const [written, durable] = [log.append(0, [record], "written"), log.append(0, [text("c")])];
    await written;
    record.fill(0);
    await restore();
    await durable;
    assert.deepEqual(await texts(log), ["a", "b", "c"]);
  });

  test("connections that break at any moment double and lose nothing", async (world) => {
    const server = await world.open();
    const [one, two] = [await world.log(server), await world.log(await world.open())];
    const killer = await world.open({ mesh: "killer" });
    const sent: string[] = [];
    const rounds = Array.from({ length: 60 }, (_, round) => round);
    for (const round of rounds) {
      const appends = [one, two].flatMap((log, w) =>
        Array.from({ length: 5 }, (_, i) => {
          const record = `${w}/${round}/${i}`;
          sent.push(record);
          return log.append(0, [text(record)]);
        })
      );
      // Breaks every connection except its own.
      if (round % 3 === 0) {
        await killer.commands.send(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
      }
      await Promise.all(appends);
    }
    const found = await texts(one);
    assert.deepEqual(found.toSorted(), sent.toSorted());
    for (const w of ["0", "1"]) {
      const own = (records: string[]) => records.filter((each) => each.startsWith(`${w}/`));
      assert.deepEqual(own(found), own(sent), "each writer's records keep their order");
    }
  });

  test("records with ids are appended once over broken connections and from two processes", async (world) => {
    const [one, two] = [await world.log(await world.open()), await world.log(await world.open())];
    const killer = await world.open({ mesh: "killer" });
    let appended = 0;
    for (let round = 0; round < 30; round++) {
      const records = Array.from({ length: 4 }, (_, i) => ({
        id: `${round}/${i}`,
        bytes: text(`${round}/${i}`),
        content: "same",
        acceptedAtMs: round,
        endsWithTime: false,
      }));
      const both = Promise.all([one.appendOnce(0, records), two.appendOnce(0, records)]);
      if (round % 3 === 0) {
        await killer.commands.send(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
      }
      const [first, second] = await both;
      first.forEach(({ kind }, i) => {
        assert.notEqual(kind, second[i].kind, "one of the two processes has appended it");
        appended++;
      });
    }
    const found = await texts(one);
    assert.deepEqual([found.length, new Set(found).size], [appended, appended]);
  });

  test("a server that answers nothing is given up, and its appends go on when it is back", async (world) => {
    const server = await world.open({ deadlineMs: 500 });
    const log = await world.log(server, { budgetMs: 1_500 });
    assert.equal(log.appendMaxMs, 2_000);
    await log.append(0, [text("before")]);
    world.local.pause();
    const refused = await log.append(0, [text("away")]).catch((error) => error);
    assert.ok(refused instanceof LogUnavailableError);
    assert.match(refused.message, /no answer within 500 ms|no connection within 500 ms/);
    assert.ok(log.refusal() instanceof LogUnavailableError, "a readiness probe says so");
    world.local.resume();
    await server.commands.connect();
    await log.append(0, [text("after")]);
    assert.equal(log.refusal(), undefined);
    const found = await texts(log);
    assert.ok(["before,after", "before,away,after"].includes(found.join()), found.join());
  });

  test("a command has its own deadline, also behind one that may wait longer at the server", async (world) => {
    const { commands } = await world.open({ deadlineMs: 500 });
    await commands.send(["BLPOP", "absent", "0.01"], 60_000);
    world.local.pause();
    const sentMs = performance.now();
    await assert.rejects(commands.send(["PING"]), { message: "no answer within 500 ms" });
    assert.ok(performance.now() - sentMs < 10_000);
    world.local.resume();
    await commands.connect();
    assert.equal(await commands.send(["PING"]), "PONG");
  });

  test("a process that stood still reads the answers that came meanwhile", async (world) => {
    const { commands } = await world.open({ deadlineMs: 400 });
    for (const stillMs of [410, 1_000]) {
      const answer = commands.send(["PING"]);
      await new Promise((resolve) => setTimeout(resolve, 1)); // it is sent
      const untilMs = performance.now() + stillMs;
      while (performance.now() < untilMs) { /* no event is handled */ }
      assert.equal(await answer, "PONG");
    }
    assert.equal(commands.isReady, true);
  });

  test("a full server refuses whole appends by name, and a trim makes room", async (world) => {
    const server = await world.open();
    const log = await world.log(server);
    const record = new Uint8Array(64 * 1024);
    let error: unknown;
    let appended = 0;
    for (; error === undefined && appended < 1_000; appended++) {
      error = await log.append(0, [record, record]).then(() => undefined, (cause) => cause);
    }
    assert.ok(error instanceof LogFullError, String(error));
    assert.match(
      error.message,
      /takes no records: the memory of the Redis at unix:.* is full; raise its maxmemory/,
    );
    assert.ok(log.refusal() instanceof LogFullError);
    const end = await log.endOffset(0);
    assert.equal(end % 2, 0, "no append is there by half");
    await log.commitOffset("joiner", 0, end);
    await log.trim(0, end - 2);
    assert.equal(log.refusal(), undefined);
    assert.equal(await log.append(0, [record, record]), end);
  }, { maxmemory: "12mb" });

  test("a writer that another process has followed is refused no more", async (world) => {
    const server = await world.open();
    const log = await world.log(server);
    const next = await world.log(await world.open());
    let end = await log.claim(0, 1);
    const append = () =>
      log.append(0, [new Uint8Array(64 * 1024)], "durable", { epoch: 1, expectedOffset: end })
        .then(() => ++end);
    await assert.rejects(async () => {
      for (;;) await append();
    }, LogFullError);
    assert.ok(log.refusal() instanceof LogFullError);
    await server.commands.send(["CONFIG", "SET", "maxmemory", "0"]);
    await next.claim(0, 2);
    // The log is read anew each second, and holds as much as before.
    while (log.refusal() !== undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    await assert.rejects(append(), StaleWriterError);
    assert.equal(log.refusal(), undefined, "the log takes the appends of its writer");
  }, { maxmemory: "12mb" });

  test("a full server lets its readers go on, so that they make room", async (world) => {
    const server = await world.open();
    const log = await world.log(server);
    const store = new RedisRecordStore(server);
    await log.claim(0, 1);
    await log.append(0, [text("a"), text("b")], "durable", { epoch: 1, expectedOffset: 0 });
    await server.commands.send(["CONFIG", "SET", "maxmemory", "1kb"]);
    const refused = await log.append(0, [text("c")], "durable", { epoch: 1, expectedOffset: 2 })
      .then(() => undefined, (error) => error);
    assert.ok(refused instanceof LogFullError, String(refused));
    // A host that starts, or connects again, and takes the partition over.
    const other = await world.open();
    const otherLog = await world.log(other);
    const otherStore = new RedisRecordStore(other);
    await store.transact((view) => view.set("host/a", "renewed"));
    await otherStore.transact((view) => view.setQuietly("host/b", "joined"));
    assert.equal(await otherLog.claim(0, 2), 2);
    assert.deepEqual(await texts(otherLog), ["a", "b"]);
    await otherLog.commitOffset("joiner", 0, 2);
    await otherLog.trim(0, 1);
    await server.commands.send(["CONFIG", "SET", "maxmemory", "0"]);
    await otherLog.append(0, [text("c")], "durable", { epoch: 2, expectedOffset: 2 });
    assert.deepEqual(await texts(log), ["b", "c"]);
    for (const each of [store, otherStore]) await each.close();
  });

  test("the end of a partition is known while the server is there", async (world) => {
    const log = await world.log(await world.open());
    assert.equal(log.knownEnd(0), undefined, "nobody listens");
    const remove = log.onAppended(0, () => {});
    const until = async (end: number | undefined) => {
      while (log.knownEnd(0) !== end) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    await until(0);
    await log.append(0, [text("a"), text("b")]);
    await until(2);
    await world.local.kill();
    await until(undefined);
    await world.local.start();
    await until(2);
    remove();
  });

  test("a reader in another process is woken by an append", async (world) => {
    const writer = await world.log(await world.open());
    const reader = await world.log(await world.open());
    for (const record of ["a", "b"]) {
      const woken = Promise.withResolvers<void>();
      const remove = reader.onAppended(0, () => woken.resolve());
      await writer.append(0, [text(record)]);
      await woken.promise;
      remove();
    }
    assert.deepEqual(await texts(reader), ["a", "b"]);
  });
});

withPrograms((program: ServerProgram) => {
  const cases: readonly [string, Readonly<Record<string, string>>, RegExp][] = [
    ["without an append-only file", { appendonly: "no" }, /no append-only file.*appendonly yes/],
    ["that evicts keys", { "maxmemory-policy": "allkeys-lru" }, /maxmemory-policy allkeys-lru/],
    ["that never syncs", { appendfsync: "no" }, /appendfsync no/],
    ["in cluster mode", { "cluster-enabled": "yes" }, /cluster mode/],
  ];
  for (const [what, settings, expected] of cases) {
    Deno.test(`${program}: a server ${what} is refused with the setting to change`, async () => {
      const directory = await Deno.makeTempDir({ prefix: "cairn-redis-" });
      const local = await LocalServer.start({ program, directory, settings });
      try {
        const refused = await RedisServer.open({ url: local.url, mesh: "m" }).catch((error) =>
          error
        );
        assert.ok(refused instanceof UnsafeRedisError, String(refused));
        assert.match(refused.message, expected);
      } finally {
        await local.kill();
        await Deno.remove(directory, { recursive: true });
      }
    });
  }

  const changes: readonly [what: string, setting: string, unsafe: string, safe: string, RegExp][] =
    [
      ["its append-only file", "appendonly", "no", "yes", /no append-only file.*`appendonly yes`/],
      ["its syncs", "appendfsync", "no", "always", /never syncs .* `appendfsync always`/],
      [
        "keys by eviction",
        "maxmemory-policy",
        "allkeys-lru",
        "noeviction",
        /deletes keys .*noeviction/,
      ],
    ];
  for (const [what, setting, unsafe, safe, expected] of changes) {
    testsOf(program)(
      `a server that loses ${what} while it runs is refused until it is safe again`,
      async (world) => {
        const server = await world.open({ lookMs: 20 });
        const log = await world.log(server, { budgetMs: 100 });
        await log.append(0, [text("a")]);
        const admin = new RedisConnection({ url: world.local.url });
        await admin.connect();
        await admin.send(["CONFIG", "SET", setting, unsafe]);
        while (log.refusal() === undefined) await log.append(0, [text("b")]).catch(() => {});
        const refused = await log.append(0, [text("never")]).catch((error) => error);
        assert.ok(refused instanceof LogUnavailableError, String(refused));
        assert.match(refused.message, expected);
        const refusal = log.refusal();
        assert.ok(refusal !== undefined && isOfServer(refusal), "operators are warned");
        assert.match(refusal.message, expected);
        assert.match(refusal.message, /The log goes on by itself then\./);
        assert.equal(server.commands.isReady, false, "profiles and records are refused too");
        await admin.send(["CONFIG", "SET", setting, safe]);
        while (log.refusal() !== undefined) await new Promise((resolve) => setTimeout(resolve, 5));
        await log.append(0, [text("c")]);
        const found = await texts(log);
        assert.equal(found.at(-1), "c");
        admin.close();
      },
    );
  }

  testsOf(program)("a server without its file refuses a durable append at once", async (world) => {
    const server = await world.open();
    const log = await world.log(server, { budgetMs: 100 });
    await server.commands.send(["CONFIG", "SET", "appendonly", "no"]);
    await server.commands.send(["CONFIG", "SET", "appendfsync", "everysec"]);
    await assert.rejects(log.append(0, [text("a")]), /LogUnavailableError.*no append-only file/);
  });

  testsOf(program)(
    "a process whose password is changed says that it needs the new one, and goes on with both",
    async (world) => {
      const admin = new RedisConnection({ url: world.local.url });
      await admin.connect();
      const setUser = (...rules: string[]) => admin.send(["ACL", "SETUSER", "cairn", ...rules]);
      // Connections stay when a password goes, until they are made anew.
      const reconnect = () => admin.send(["CLIENT", "KILL", "USER", "cairn"]);
      await setUser("on", ">former", "~*", "&*", "+@all");
      const server = await world.open({ username: "cairn", password: "former" });
      const log = await world.log(server, { budgetMs: 100 });
      await log.append(0, [text("a")]);
      await setUser(">new");
      await reconnect();
      await log.append(0, [text("b")]);
      assert.equal(log.refusal(), undefined, "both are taken");
      await setUser("<former");
      await reconnect();
      const refused = await log.append(0, [text("c")]).catch((error) => error);
      const expected =
        /WRONGPASS .*[^.]\. (The records may .*\. )?Correct storage\.redis\.username and storage\.redis\.password, and restart this process\.$/;
      assert.match(refused.message, expected);
      assert.match(log.refusal()?.message ?? "", expected);
      await setUser(">former");
      while (log.refusal() !== undefined) await new Promise((resolve) => setTimeout(resolve, 5));
      await log.append(0, [text("d")]);
      admin.close();
    },
  );

  testsOf(program)(
    "a user without permissions is refused with those that it needs",
    async (world) => {
      const admin = new RedisConnection({ url: world.local.url });
      await admin.connect();
      const open = async (...rules: string[]) => {
        await admin.send(["ACL", "SETUSER", "cairn", "reset", "on", ">pw", ...rules]);
        return await world.open({ username: "cairn", password: "pw", openBudgetMs: 0 });
      };
      const permissions = REDIS_PERMISSIONS.replace("NAME", "faults").split(" ");
      const refused = await open("~*", "+@all", "-info").catch((error) => error);
      assert.ok(refused instanceof RedisUnavailableError, String(refused));
      assert.equal(isAway(refused), false, "a start does not wait for it");
      assert.match(remedyOf(refused) ?? "", /these permissions: ~\{cairn:NAME\}:\* \+@read/);
      const unread = await open(...permissions.filter((each) => each !== "+config|get"));
      assert.match(unread.facts.warnings.join(), /appendfsync is not checked/);

      const server = await open(...permissions);
      assert.doesNotMatch(server.facts.warnings.join(), /not checked/);
      const log = await world.log(server);
      const woken = Promise.withResolvers<void>();
      log.onAppended(0, () => woken.resolve());
      await log.append(0, [text("a")]);
      await woken.promise;
      await log.claim(0, 1);
      await log.trim(0, 1);
      await log.roll(0);
      await log.extend({ firstPartition: 1, partitions: 2 });
      const store = await RedisProfileStore.open({ server, writer: "w", cacheBytesMax: 2 ** 20 });
      await store.put("item", "a", { n: 1 });
      assert.equal((await store.list("item", undefined, 10)).profiles.length, 1);
      await store.delete("item", "a");
      await store.dropChanges();
      await store.close();
      const records = new RedisRecordStore(server);
      const changed = records.watch(0, PATIENT_MS);
      await records.transact((view) => view.set("key", 1));
      assert.ok(await changed > 0);
      await records.close();
      admin.close();
    },
  );

  Deno.test(`${program}: a server that is not there is an error that names it, without the password`, async () => {
    const error = await RedisServer.open({
      url: "redis://user:secret@127.0.0.1:1",
      mesh: "m",
      deadlineMs: 300,
      openBudgetMs: 0,
    }).catch((error) => error);
    assert.equal(error.name, "RedisUnavailableError");
    assert.equal(error.url, "redis://127.0.0.1:1");
    assert.ok(!String(error).includes("secret"));
  });
});
