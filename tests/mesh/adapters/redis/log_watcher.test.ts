/**
 * Goal: followers get records with the read that waits for them, urgent ones at once and others
 * together. Method: a reader and a writer with connections of their own, as two processes have, on
 * real servers, which count their commands.
 */
import assert from "node:assert/strict";
import { RedisEventLog } from "../../../../mesh/adapters/redis/redis_event_log.ts";
import type { RedisServer } from "../../../../mesh/adapters/redis/redis_server.ts";
import type { AppendUntil } from "../../../../mesh/ports/event_log.ts";
import { newMesh, patientBudgets, type TestServer, withServers } from "./servers.ts";

/** Longer than a test takes. */
const NEVER_MS = 600_000;

await withServers((server) => {
  const test = (name: string, lazyMs: number, body: (world: World) => Promise<void>) =>
    Deno.test(`${server.program}: ${name}`, async () => {
      const world = await World.open(server, lazyMs);
      try {
        await body(world);
      } finally {
        await world.close();
      }
    });

  test("a follower that has caught up needs no read of its own", NEVER_MS, async (world) => {
    await world.append(1);
    world.follow(0);
    await world.untilRead(0, 1);
    const before = await world.calls("xrange");
    for (let i = 2; i <= 10; i++) {
      await world.append(1);
      await world.untilRead(0, i);
    }
    assert.equal(await world.calls("xrange"), before);
  });

  test("written records are read with the next durable one", NEVER_MS, async (world) => {
    world.follow(0);
    await world.append(1);
    await world.untilRead(0, 1);
    for (let i = 0; i < 20; i++) await world.append(1, "written");
    assert.equal(world.read(0), 1, "no listener was told of them");
    await world.append(1);
    await world.untilRead(0, 22);
  });

  test("a durable record of another partition brings written ones too", NEVER_MS, async (world) => {
    world.follow(0);
    world.follow(1);
    await world.append(1, "written");
    await world.writer.append(1, [new Uint8Array(1)], "durable");
    await world.untilRead(0, 1);
    await world.untilRead(1, 1);
  });

  test("written records are read together after a while", 200, async (world) => {
    world.follow(0);
    await world.append(1);
    await world.untilRead(0, 1);
    const [before, beganAtMs] = [await world.calls("xread"), performance.now()];
    for (let i = 0; i < 20; i++) await world.append(1, "written");
    await world.untilRead(0, 21);
    const reads = await world.calls("xread") - before;
    const waits = Math.ceil((performance.now() - beganAtMs) / 200) + 1;
    assert.ok(reads <= 3 * waits, `${reads} reads in ${waits} waits`);
  });

  test("written records are read soon where one listener asks for it", NEVER_MS, async (world) => {
    world.follow(0);
    await world.append(1);
    await world.untilRead(0, 1);
    world.reader.onAppended(1, () => {}, "soon");
    await world.append(1, "written");
    await world.untilRead(0, 2);
  });

  test("while written records come, no read waits for the first of them", 300, async (world) => {
    world.follow(0);
    await world.append(1);
    await world.untilRead(0, 1);
    // A read for the first of them makes three reads of each wait. Where the machine is busy, the
    // records may come too late for a wait, so one good round of many is enough.
    let [reads, count] = [Infinity, 1];
    for (let round = 0; round < 20 && reads >= 3 * 4; round++) {
      const before = await world.calls("xread");
      for (let wait = 0; wait < 4; wait++) {
        for (let i = 0; i < 3; i++) await world.append(1, "written");
        await world.untilRead(0, count += 3);
      }
      reads = await world.calls("xread") - before;
    }
    assert.ok(reads < 3 * 4, `${reads} reads for 4 waits`);
  });

  test(
    "a follower that is behind catches up by pages, and follows again",
    NEVER_MS,
    async (world) => {
      world.follow(0);
      await world.append(1);
      await world.untilRead(0, 1);
      world.hold(0);
      // More than wait for a follower.
      for (let i = 0; i < 10; i++) await world.append(100);
      world.release(0);
      await world.untilRead(0, 1_001);
      for (let i = 1_002; i < 1_010; i++) {
        await world.append(1);
        await world.untilRead(0, i);
      }
      const before = await world.calls("xrange");
      await world.append(3);
      await world.untilRead(0, 1_012);
      assert.equal(await world.calls("xrange"), before);
    },
  );

  test("the end is known also while the reader stands still", NEVER_MS, async (world) => {
    world.follow(0);
    await world.append(1);
    await world.untilRead(0, 1);
    world.hold(0);
    for (let i = 0; i < 10; i++) await world.append(100);
    while (world.reader.knownEnd(0) !== 1_001) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(world.read(0) < 1_001);
    world.release(0);
    await world.untilRead(0, 1_001);
    assert.equal(world.reader.knownEnd(0), 1_001);
  });

  test("a partition is not held up by one whose reader is behind", NEVER_MS, async (world) => {
    world.follow(0);
    world.follow(1);
    for (let i = 0; i < 4; i++) await world.append(100);
    await world.untilRead(0, 400);
    world.hold(0);
    await world.readAgain(0, 0);
    const before = await world.calls("xread");
    for (let i = 0; i < 8; i++) {
      await world.writer.append(1, Array.from({ length: 50 }, () => new Uint8Array(10)), "durable");
    }
    await world.untilRead(1, 400);
    const reads = await world.calls("xread") - before;
    assert.ok(reads <= 60, `${reads} reads`);
  });

  test("a reader that stops at the end of a partition is not behind", NEVER_MS, async (world) => {
    world.follow(0);
    world.follow(1);
    world.hold(1);
    await world.append(1);
    await world.untilRead(0, 1);
    const records = Array.from({ length: 100 }, () => new Uint8Array(10));
    // More than wait for a follower.
    for (let i = 0; i < 10; i++) await world.writer.append(1, records, "durable");
    await world.append(1);
    await world.untilRead(0, 2);
    await world.readAgain(1, 0);
    await world.readAgain(1, 1, 1_000);
    const before = await world.calls("xread");
    for (let i = 3; i <= 22; i++) {
      await world.append(1);
      await world.untilRead(0, i);
    }
    const reads = await world.calls("xread") - before;
    assert.ok(reads <= 25, `${reads} reads`);
  });

  test(
    "a partition that is followed while others are waited for is read at once",
    NEVER_MS,
    async (world) => {
      await world.writer.append(1, [new Uint8Array(1)], "durable");
      world.follow(0);
      await world.append(1);
      await world.untilRead(0, 1);
      world.follow(1);
      await world.untilRead(1, 1);
      await world.writer.append(1, [new Uint8Array(1)], "durable");
      await world.untilRead(1, 2);
    },
  );

  test("followers go on after the server was killed", NEVER_MS, async (world) => {
    world.follow(0);
    await world.append(1);
    await world.untilRead(0, 1);
    await server.local.kill();
    await server.local.start();
    for (let i = 2; i < 6; i++) {
      await world.append(1);
      await world.untilRead(0, i);
    }
  });
});

interface Follower {
  offsets: number[];
  isHeld: boolean;
  reading: Promise<void>;
}

class World {
  readonly writer: RedisEventLog;
  readonly reader: RedisEventLog;
  readonly #servers: readonly RedisServer[];
  readonly #followers = new Map<number, Follower>();

  private constructor(
    reader: RedisEventLog,
    writer: RedisEventLog,
    servers: readonly RedisServer[],
  ) {
    this.reader = reader;
    this.writer = writer;
    this.#servers = servers;
  }

  static async open(server: TestServer, lazyMs: number): Promise<World> {
    const mesh = newMesh();
    const servers = [await server.connect({ mesh }), await server.connect({ mesh })];
    const [reader, writer] = await Promise.all(servers.map((each) =>
      RedisEventLog.open({
        server: each,
        name: "events",
        partitions: 2,
        bytesMax: 2 ** 30,
        writer: crypto.randomUUID(),
        lazyMs,
        ...patientBudgets,
      })
    ));
    return new World(reader, writer, servers);
  }

  /** Appends records to partition 0. */
  async append(count: number, until: AppendUntil = "durable"): Promise<void> {
    await this.writer.append(0, Array.from({ length: count }, () => new Uint8Array(10)), until);
  }

  /** Reads a partition whenever the reader is told of records. */
  follow(partition: number): void {
    const follower: Follower = { offsets: [], isHeld: false, reading: Promise.resolve() };
    this.#followers.set(partition, follower);
    this.reader.onAppended(partition, () => {
      if (!follower.isHeld) this.#read(partition, follower);
    });
  }

  /** Reads records beside a follower, as many as there are up to a bound. */
  async readAgain(partition: number, offset: number, recordsMax = 1): Promise<void> {
    await this.reader.read(partition, offset, recordsMax, "follower");
  }

  /** Lets a follower read nothing. */
  hold(partition: number): void {
    this.#follower(partition).isHeld = true;
  }

  release(partition: number): void {
    const follower = this.#follower(partition);
    follower.isHeld = false;
    this.#read(partition, follower);
  }

  /** Records that a follower has read. */
  read(partition: number): number {
    return this.#follower(partition).offsets.length;
  }

  async untilRead(partition: number, count: number): Promise<void> {
    const endsMs = performance.now() + 60_000;
    while (this.read(partition) < count) {
      assert.ok(performance.now() < endsMs, `${this.read(partition)} of ${count} were read`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.deepEqual(this.#follower(partition).offsets, [...Array(count).keys()]);
  }

  /** Calls of a command since the server's start. */
  async calls(command: string): Promise<number> {
    const report = await this.#servers[0].commands.send<string>(["INFO", "commandstats"]);
    return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(report)?.[1] ?? 0);
  }

  async close(): Promise<void> {
    for (const follower of this.#followers.values()) {
      follower.isHeld = true;
      await follower.reading;
    }
    await this.reader.close();
    await this.writer.close();
    for (const server of this.#servers) server.close();
  }

  #follower(partition: number): Follower {
    const follower = this.#followers.get(partition);
    assert.ok(follower);
    return follower;
  }

  #read(partition: number, follower: Follower): void {
    follower.reading = follower.reading.then(async () => {
      for (;;) {
        const from = follower.offsets.length;
        const records = await this.reader.read(partition, from, 50, "follower");
        if (records.length === 0) return;
        for (const { offset } of records) follower.offsets.push(offset);
      }
    });
  }
}
