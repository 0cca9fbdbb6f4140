/**
 * The operator's commands against the coordination store of a real Redis or Valkey server, with
 * hosts that have joined and own shards, but run nothing.
 */
import assert from "node:assert/strict";
import { type CairnConfiguration, parseConfiguration } from "../../configuration/configuration.ts";
import { installedProgram, LocalServer } from "../../mesh/adapters/redis/local_server.ts";
import type { HostDescription, HostRun, PlacedKey } from "../../mesh/ports/coordination.ts";
import type { CountedParts } from "../../mesh/ports/resharding.ts";
import { meshSettingsOf } from "../../server/machine/mesh_settings.ts";
import { openCoordination } from "../../server/machine/redis_coordination.ts";
import { openRedisStores, redisStorageOf } from "../../server/machine/redis_storage.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { present } from "../../structures/invariant.ts";
import { smallConfiguration } from "../integration/small_mesh.ts";
import { runCaptured, type Said } from "./captured_command.ts";

const program = installedProgram();
const ignore = program === undefined;

function yamlOf(redis: string | undefined, changes: readonly (readonly [string, string])[] = []) {
  const server = redis === undefined ? "" : `, redis: { url: "${redis}" }`;
  const small = smallConfiguration("in one thread", `{ kind: directory, path: data${server} }`, 2)
    .replace("joiner:\n", "joiner:\n  partitions: 2\n");
  const yaml = `${small}
mesh:
  id: shop
  balance: false
  hosts:
    edge: { address: "127.0.0.1:7401", roles: [serving, joiner, trainer, sync] }
    tables-1: { address: "127.0.0.1:7402", roles: [shards], capacity: 1GiB }
    tables-2: { address: "127.0.0.1:7403", roles: [shards], capacity: 1GiB }
`;
  return changes.reduce((text, [from, to]) => text.replace(from, to), yaml);
}

class World {
  readonly file: string;
  readonly redis: string;

  constructor(readonly folder: string, redis: string) {
    this.redis = redis;
    this.file = `${folder}/mesh.yaml`;
    Deno.writeTextFileSync(this.file, yamlOf(redis));
  }

  /** Runs a command; its exit code and both outputs. */
  run(...args: readonly string[]): Promise<Said> {
    return runCaptured(...args, "--config", this.file);
  }

  /** All hosts join. The first one of tables owns every shard, and `learn-1` every partition. */
  async join(): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    const { coordination, close } = await openCoordination(configuration);
    await coordination.open(meshSettingsOf(configuration));
    for (const host of ["tables-1", "tables-2", "learn-1", "learn-2"]) {
      const description: HostDescription = {
        ...runOf(host),
        address: "127.0.0.1:1",
        roles: host.startsWith("learn") ? ["joiner", "trainer", "sync"] : ["shards"],
        capacityBytes: 2 ** 30,
        trainerThreads: 0,
        version: "1",
        protocols: [1, 1],
      };
      await coordination.join(description);
    }
    const owner = runOf("tables-1");
    const ownerOf = (key: string) => runOf(key.startsWith("shard/") ? "tables-1" : "learn-1");
    const turn = await coordination.acquireControl(owner);
    assert.ok(turn.kind === "controls");
    const { control } = turn;
    const { placements } = await coordination.read();
    const keys = [...placements.keys()];
    const restoring = await coordination.place({
      by: { controllerEpoch: control.epoch },
      changes: keys.map((key) => ({
        key,
        expected: { state: "unassigned", epoch: 0 },
        next: { state: "restoring", owner: ownerOf(key) },
        reason: "a test begins",
      })),
    });
    for (const [key, expected] of restoring) {
      const next = { state: "active", owner: ownerOf(key) } as const;
      await coordination.place({ by: ownerOf(key), changes: [{ key, expected, next }] });
    }
    const load = Object.fromEntries(
      keys.flatMap((key) => [[`${key}.rows`, 1_000], [`${key}.bytes`, 10 * 2 ** 20]]),
    );
    await coordination.renew(owner, load);
    await close();
  }

  /** The host with the role `sync` begins the first change that was asked for. */
  async begin(parts: CountedParts): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    const { coordination, close } = await openCoordination(configuration);
    await coordination.beginReshard(runOf("learn-1"), { parts, division: 1 });
    await close();
  }

  /** A host tells how far it has read; the second event partition has so many records. */
  async tell(host: string, load: Record<string, number>, records: number): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    await withEventLog(configuration, async (log) => {
      if (records > 0) {
        await log.append(
          1,
          Array.from({ length: records }, (_, i) => Uint8Array.of(i)),
        );
      }
    });
    const { coordination, close } = await openCoordination(configuration);
    await coordination.renew(runOf(host), load);
    await close();
  }

  /** Gives parts to other hosts, which report that they are active unless a move only begins. */
  async move(
    to: Readonly<Record<string, string>>,
    { begins = false }: { readonly begins?: boolean } = {},
  ): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    const { coordination, close } = await openCoordination(configuration);
    const turn = await coordination.acquireControl(runOf("tables-1"));
    assert.ok(turn.kind === "controls");
    for (const [name, host] of Object.entries(to)) {
      const key = name as PlacedKey;
      const { placements } = await coordination.read();
      const expected = present(placements.get(key), "the key is of the mesh");
      const owner = runOf(host);
      const placed = await coordination.place({
        by: { controllerEpoch: turn.control.epoch },
        changes: [{ key, expected, next: { state: "restoring", owner }, reason: "it moves" }],
      });
      if (begins) continue;
      const restoring = present(placed.get(key), "it was placed");
      const next = { state: "active", owner } as const;
      await coordination.place({ by: owner, changes: [{ key, expected: restoring, next }] });
    }
    const load = Object.fromEntries(
      [0, 1, 2, 3].flatMap((shard) => [[`shard/${shard}.bytes`, 10 * 2 ** 20]]),
    );
    for (const host of ["tables-1", "tables-2"]) await coordination.renew(runOf(host), load);
    await close();
  }
}

/** A configuration's stores on the server. */
async function withEventLog(
  { storage, mesh, partitions }: CairnConfiguration,
  work: (log: EventLog) => Promise<void>,
): Promise<void> {
  assert.ok(storage.kind === "directory" && storage.redis && mesh);
  const sizes = { logBytesMax: 1 << 20, partitions, knownMs: 1_000 };
  const stores = await openRedisStores(redisStorageOf(storage.redis, mesh.id, sizes), {
    isOnlyProcess: false,
    onWarning: () => {},
  });
  await work(stores.eventLog);
  await stores.close();
}

function runOf(host: string): HostRun {
  return { host, incarnation: `${host}-1` };
}

async function withWorld(run: (world: World) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const server = await LocalServer.start({ program: program ?? "redis-server", directory: folder });
  try {
    await run(new World(folder, server.url));
  } finally {
    await server.kill();
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test({
  name: "a snapshot is not restored while hosts of the mesh run",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const data = `${world.folder}/data`;
      Deno.mkdirSync(`${data}/blobs`, { recursive: true });
      const { code, err } = await world.run(
        ...["snapshot", "restore", data, "001764412388123", "--examples", "skip"],
      );
      assert.equal(code, 1);
      assert.match(
        err,
        /Hosts of the mesh run: [a-z0-9, -]*tables-1[a-z0-9, -]*\. Stop all of them/,
      );
    }),
});

Deno.test({
  name: "plan shows every move with its reason, and its exit code says whether there is one",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      const empty = await world.run("plan");
      assert.equal(empty.code, 1);
      assert.match(
        empty.err,
        /No host has joined the mesh shop yet: start its hosts by cairn node/,
      );

      await world.join();
      const plan = await world.run("plan");
      assert.equal(plan.code, 2);
      assert.match(plan.out, /^tables-1 {2}up {2}4 -> 2 shards {2}40 MiB -> 20 MiB of 1 GiB$/m);
      assert.match(
        plan.out,
        /^shard \d {2}moves tables-1 -> tables-2 {2}\(1,000 rows, 10 MiB\): tables-1 is filled to/m,
      );
      assert.match(
        plan.err,
        /^2 shards, 1 joiner and 1 trainer would move, in about 2 s; cairn apply moves them$/m,
      );
      assert.doesNotMatch(plan.err, /error/);
      assert.match(
        plan.out,
        /^joiner [01] {2}moves learn-1 -> learn-2: there are 2 joiners on learn-1 and 0 joiners on /m,
      );
      assert.match(plan.out, /^learn-1 {2}up {2}2 -> 1 trainers$/m);
      assert.match(
        plan.out,
        /^2 shards, 1 joiner and 1 trainer of 4 shards, 2 joiners and 2 trainers stay \(version/m,
      );
      const { shards, readers } = JSON.parse((await world.run("plan", "--json")).out);
      assert.deepEqual(
        readers.map(({ reader }: { reader: string }) => reader),
        ["events/0", "events/1", "trainer/0", "trainer/1"],
      );
      assert.deepEqual(shards.map(({ shard }: { shard: number }) => shard), [0, 1, 2, 3]);
    }),
});

Deno.test({
  name: "a shard, a joiner or a trainer is explained: where, since when, how far, its last move",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const shard = await world.run("explain", "shard", "3");
      assert.match(
        shard.out,
        /^shard 3 is active on "tables-1" in epoch 1, since \d.+Z \(\d+ s ago\), with 1,000 rows in 10 MiB\nlast move to tables-1, .+, done after \d\.\d s: a test begins\nshard 3 {2}/,
      );
      await world.move({ "events/1": "learn-2", "trainer/0": "learn-2" });
      const untold = await world.run("explain", "joiner", "1");
      assert.match(untold.out, /^joiner 1 is active on "learn-2" in epoch 2, since /);
      assert.match(untold.out, /^reads partition 1 of the event log: its host has not told yet/m);
      assert.match(
        untold.out,
        /^last move from learn-1 to learn-2, .+, done after \d\.\d s: it moves$/m,
      );

      await world.tell("learn-2", { "events/1.position": 2, "trainer/0.position": 0 }, 5);
      const joiner = await world.run("explain", "joiner", "1");
      assert.match(joiner.out, /^reads partition 1 of the event log: 3 records behind$/m);
      const trainer = JSON.parse((await world.run("explain", "trainer", "0", "--json")).out);
      const { part, number, log, partitions, behind, placement, last } = trainer;
      assert.deepEqual({ part, number, log, partitions, behind }, {
        part: "trainer",
        number: 0,
        log: "examples",
        partitions: [0],
        behind: 0,
      });
      assert.equal(placement.epoch, 2);
      assert.deepEqual([last.from, last.to, last.outcome], ["learn-1", "learn-2", "done"]);

      assert.match(
        (await world.run("explain", "keeper", "0")).err,
        /no keeper 0: the mesh has none/,
      );
      const kept =
        "kept: { shards: 3, features: { week: { kind: count, by: item, of: click, window: 7d } } }";
      Deno.writeTextFileSync(world.file, `${yamlOf(world.redis)}\n${kept}\n`);
      await world.tell("learn-2", { "keeper/1.position": 1 }, 0);
      const keeper = await world.run("explain", "keeper", "1");
      assert.match(
        keeper.out,
        /^keeper 1 follows joiner 1\njoiner 1 is active on "learn-2" in epoch 2, since /,
      );
      assert.match(
        keeper.out,
        /^keeper 1 reads partitions 0, 1 of the event log: 4 records behind$/m,
      );
      const { follows } = JSON.parse((await world.run("explain", "keeper", "2", "--json")).out);
      assert.equal(follows, "joiner 0");
      assert.match((await world.run("explain", "keeper", "3")).err, /the mesh has 0 to 2/);

      const refused = async (...args: string[]) => (await world.run("explain", ...args)).err;
      assert.match(await refused("shard", "4"), /no shard 4: the mesh has 0 to 3/);
      assert.match(await refused("joiner", "2"), /no joiner 2: the mesh has 0 to 1/);
      assert.match(
        await refused("scorer", "0"),
        /no part "scorer": type shard, joiner, trainer, keeper/,
      );
      assert.match(await refused("shard", "x"), /whole number/);

      assert.equal((await world.run("recover", "--accept-loss")).code, 0);
      const given = await world.run("explain", "shard", "3");
      assert.match(given.out, /^shard 3 is unassigned in epoch \d+, with /);
    }),
});

Deno.test({
  name: "a plan is applied at its version, cancelled, and rolled back",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const { version } = JSON.parse((await world.run("status", "--json")).out);
      const late = await world.run("apply", "--if-version", String(version + 1));
      assert.equal(late.code, 1);
      assert.match(late.err, /is at version \d+, not \d+: look at cairn plan again/);
      assert.equal((await world.run("rollback")).code, 1, "there is no plan yet");

      const applied = await world.run("apply", "--if-version", String(version), "--max-moves", "1");
      assert.deepEqual([applied.code, applied.out], [
        0,
        "2 shards, 1 joiner and 1 trainer move, at most 1 of a kind at a time\n",
      ]);
      assert.match((await world.run("status")).out, /last plan: active, 4 moves/);
      assert.equal((await world.run("cancel")).code, 0);
      assert.match((await world.run("status")).out, /last plan: cancelled, 4 moves/);
      assert.match((await world.run("cancel")).err, /The plan is cancelled already/);
      assert.equal((await world.run("rollback")).out, "there is nothing to move\n");
    }),
});

Deno.test({
  name: "plan counts joiners and trainers alone, and exits 0 when nothing is left to move",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      await world.move({ "shard/2": "tables-2", "shard/3": "tables-2" });
      const readers = await world.run("plan");
      assert.equal(readers.code, 2);
      assert.match(readers.err, /^1 joiner and 1 trainer would move, in about 2 s; /m);
      await world.move({ "events/1": "learn-2" });
      await world.move({ "trainer/1": "learn-2" }, { begins: true });
      const begun = await world.run("plan");
      assert.deepEqual([begun.code, begun.err], [
        2,
        "1 trainer began to move or to restore before\n",
      ]);
      await world.move({ "trainer/1": "learn-2" });
      const even = await world.run("plan");
      assert.deepEqual([even.code, even.err], [0, ""]);
      assert.match(even.out, /^4 shards, 2 joiners and 2 trainers of .* stay \(version/m);
      assert.equal((await world.run("apply")).out, "there is nothing to move\n");

      await world.run("drain", "learn-1");
      await world.run("drain", "learn-2");
      const stuck = await world.run("plan");
      assert.equal(stuck.code, 2);
      assert.match(
        stuck.out,
        /^joiner 0 {2}has no host to go to: learn-1 is draining, and no other/m,
      );
      assert.match(stuck.err, /^2 joiners and 2 trainers cannot move until a host has the role/m);
    }),
});

Deno.test({
  name: "cancel names a joiner that has its new owner already, and rollback moves it back",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      await world.move({ "shard/2": "tables-2", "shard/3": "tables-2" });
      const { moves } = JSON.parse((await world.run("apply", "--json")).out);
      const joiner = moves.find(({ key }: { key: string }) => key.startsWith("events/"));
      assert.deepEqual([joiner.from, joiner.to], ["learn-1", "learn-2"]);
      await world.move({ [joiner.key]: "learn-2" }, { begins: true });
      const cancelled = await world.run("cancel");
      assert.match(
        cancelled.err,
        /^joiner \d has its new owner learn-2 already: cairn rollback moves it back$/m,
      );
      const back = JSON.parse((await world.run("rollback", "--json")).out);
      assert.deepEqual(back.moves, [{ key: joiner.key, from: "learn-2", to: "learn-1" }]);
    }),
});

Deno.test({
  name: "a host is drained and comes back, and one that does not exist is named",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const drained = await world.run("drain", "tables-1");
      assert.deepEqual(
        [drained.code, drained.out],
        [0, "tables-1 is draining: 4 shards leave it\n"],
      );
      assert.match((await world.run("status")).out, /^tables-1 {2}draining/m);
      assert.match((await world.run("plan")).out, /moves .*: tables-1 is draining; tables-2 has/);
      await world.run("undrain", "tables-1");
      await world.run("drain", "tables-2");
      const stuck = await world.run("drain", "tables-1");
      assert.equal(
        stuck.out,
        "tables-1 is draining: 0 of 4 shards can leave it; start another host with shards\n",
      );
      assert.match(
        (await world.run("plan")).err,
        /^4 shards cannot move until a host has the role and room$/m,
      );
      await world.run("undrain", "tables-1");
      assert.match((await world.run("status")).out, /^tables-1 {2}up/m);
      const unknown = await world.run("drain", "tables-9");
      assert.equal(unknown.code, 1);
      assert.match(unknown.err, /no host "tables-9"; the mesh has .*tables-1, tables-2/);
    }),
});

Deno.test({
  name: "drain --wait fails, and says what to do, when no other host can take what is left",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      await world.run("drain", "learn-2");
      const partitions = await world.run("drain", "learn-1", "--wait");
      assert.equal(partitions.code, 1);
      assert.match(
        partitions.err,
        /learn-1 is not empty: [a-z]+ \d.* cannot leave\. Start another host with the roles (joiner, trainer|trainer, joiner), and run this command again; or stop learn-1 all the same/,
      );
      await world.run("drain", "tables-2");
      const shards = await world.run("drain", "tables-1", "--wait");
      assert.equal(shards.code, 1);
      assert.match(
        shards.err,
        /tables-1 is not empty: 4 shards cannot leave\. Start another host with shards and room for them, and run this command again\./,
      );
      assert.equal((await world.run("drain", "tables-2", "--wait")).code, 0, "it has nothing");
    }),
});

Deno.test({
  name: "a change that a running mesh cannot take, and a mesh without a store, say what to do",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      Deno.writeTextFileSync(
        world.file,
        yamlOf(world.redis, [["partitions: 2", "partitions: 3"]]),
      );
      const refused = await world.run("plan");
      assert.equal(refused.code, 1);
      assert.match(refused.out, /^refused: joiner.partitions is fixed when a mesh is created/m);
      Deno.writeTextFileSync(world.file, yamlOf(undefined));
      const alone = await world.run("plan");
      assert.equal(alone.code, 1);
      assert.match(alone.err, /Set storage.redis to the address of a Redis or Valkey server/);
      Deno.writeTextFileSync(world.file, smallConfiguration("in one thread"));
      assert.match((await world.run("plan")).err, /one process runs everything/);
    }),
});

Deno.test({
  name: "another number of shards is planned, asked for, shown, and given up",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      Deno.writeTextFileSync(
        world.file,
        yamlOf(world.redis, [["shards: { count: 4 }", "shards: { count: 8 }"]]),
      );
      const plan = await world.run("plan");
      assert.equal(plan.code, 2);
      assert.match(
        plan.out,
        /^4 -> 8 shards: 4,000 rows, 40 MiB, of which the new shards read 80 MiB from a snapshot$/m,
      );
      assert.match(plan.out, /^tables-2 {2}0 -> 4 shards$/m);
      assert.match(plan.out, /^training stands still for about 1 s; rankings go on, and each /m);
      assert.match(plan.err, /shards.count is 8, and the mesh has 4 shards: cairn reshard changes/);
      const planned = JSON.parse((await world.run("plan", "--json")).out).reshard;
      assert.deepEqual([planned.from, planned.to, planned.unplaced], [4, 8, 0]);

      assert.equal((await world.run("reshard", "--if-version", "1000")).code, 1);
      const asked = await world.run("reshard");
      assert.equal(asked.code, 0, asked.err);
      assert.match(asked.out, /^4 -> 8 shards/);
      assert.match((await world.run("status")).out, /^4 -> 8 shards: a snapshot is taken$/m);
      const other = await world.run("reshard", "--shards", "6");
      assert.equal(other.code, 1);
      assert.match(other.err, /a change to 8 shards is under way already; wait for it, or end it/);
      assert.match((await world.run("cancel")).out, /ends; the mesh keeps 4$/m);
      assert.match((await world.run("status")).out, /^4 -> 8 shards: cancelled$/m);
    }),
});

Deno.test({
  name: "another number of trainers is planned, applied with the moves, shown, and given up",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const one = ["--set", "trainer.count=1"];
      const plan = await world.run("plan", ...one);
      assert.equal(plan.code, 2);
      assert.match(plan.out, /^2 -> 1 trainers\nlearn-1 {2}2 -> 1 trainers\nlearn-2 {2}0 -> 0 tr/m);
      assert.match(
        plan.out,
        /^training stands still while the trainers begin again at a snapshot/m,
      );
      assert.match(
        plan.err,
        /^trainer.count is 1, and the mesh has 2 trainers: cairn apply chang/m,
      );
      assert.match(plan.err, /^2 shards and 1 joiner would move, /m, "trainers are dealt anew");
      const { trainers } = JSON.parse((await world.run("plan", "--json", ...one)).out);
      assert.deepEqual([trainers.from, trainers.to, trainers.unplaced], [2, 1, 0]);

      const applied = await world.run("apply", ...one);
      assert.equal(applied.code, 0, applied.err);
      assert.match(applied.out, /^2 -> 1 trainers\n[^]*^2 shards and 1 joiner move, at most 2 of/m);
      const status = await world.run("status");
      assert.match(
        status.out,
        /^2 -> 1 trainers: a snapshot is taken\nlast plan: active, 3 moves$/m,
      );
      const other = await world.run("reshard", "--shards", "6");
      assert.match(
        other.err,
        /a change to 1 trainers is under way already; wait for it, or end it/,
      );
      const again = await world.run("plan", ...one);
      assert.match(
        again.err,
        /^a change from 2 to 1 trainers is asked for, .* snapshot; cairn cancel/m,
      );
      assert.doesNotMatch(again.err, /cairn apply changes it/);
      const cancelled = await world.run("cancel");
      assert.match(cancelled.out, /number of trainers ends; the mesh keeps 2$/m);
      assert.match(cancelled.err, /^the plan of moves goes on: another cairn cancel ends it$/m);
      assert.match(
        (await world.run("status")).out,
        /^2 -> 1 trainers: cancelled\nlast plan: active, 3 moves$/m,
      );
      assert.match((await world.run("cancel")).out, /^the plan ends; cairn status shows/m);
    }),
});

Deno.test({
  name: "a file that went back to the mesh's trainers is told of the change that was asked for",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      assert.equal((await world.run("apply", "--set", "trainer.count=1")).code, 0);
      const plan = await world.run("plan");
      assert.equal(plan.code, 2);
      assert.match(
        plan.err,
        /^a change from 2 to 1 trainers is asked for, .* snapshot; cairn cancel/m,
      );
      const { asked } = JSON.parse((await world.run("plan", "--json")).out);
      assert.deepEqual([asked.parts, asked.from, asked.to], ["trainers", 2, 1]);
      const applied = await world.run("apply");
      assert.equal(applied.code, 1);
      assert.match(
        applied.err,
        /Nothing is applied: a change from 2 to 1 trainers is asked for, and trainer.count is 2/,
      );
      assert.match((await world.run("cancel")).out, /number of trainers ends; the mesh keeps 2$/m);
      assert.equal((await world.run("apply")).code, 0);
    }),
});

Deno.test({
  name: "trainers do not change before a change of shards is done, whose steps status shows",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      assert.equal((await world.run("reshard", "--shards", "8")).code, 0);
      await world.begin("shards");
      const applied = await world.run("apply", "--set", "trainer.count=1");
      assert.equal(applied.code, 1);
      assert.match(
        applied.err,
        /Nothing is applied: a change from 4 to 8 shards is not done \(8 shards and 2 trainers are /,
      );
      assert.match((await world.run("status")).out, /^4 -> 8 shards: 8 shards and 2 trainers are/m);
    }),
});

Deno.test({
  name: "apply refuses other partitions, and more trainers than partitions",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const fixed = await world.run("apply", "--set", "trainer.partitions=4");
      assert.equal(fixed.code, 1);
      assert.match(fixed.err, /Nothing is applied: trainer.partitions is fixed when a mesh is cr/);
      const more = await world.run(
        "plan",
        "--set",
        "trainer.count=3",
        "--set",
        "trainer.partitions=2",
      );
      assert.equal(more.code, 2);
      assert.match(more.err, /found 3, and trainer.partitions is 2, so some trainers would have/);
    }),
});

Deno.test({
  name: "a number of shards that the mesh cannot have is refused with those that it can have",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      for (const shards of ["0", "1025", "many"]) {
        const { code, err } = await world.run("reshard", "--shards", shards);
        assert.equal(code, 2);
        assert.match(err, /a whole number from 1 to 1,?024/);
      }
      const same = await world.run("reshard", "--shards", "4");
      assert.equal(same.code, 1);
      assert.match(same.err, /The number of shards stays as it is: the mesh has 4 shards already/);
      const small = await world.run("reshard", "--shards", "128");
      assert.equal(small.code, 2);
      assert.match(small.err, /64MiB over 128 shards is 0.5MiB a shard, and a table needs 1MiB/);
      const unapplied = await world.run("apply");
      assert.equal(unapplied.code, 0);
      const moving = await world.run("reshard", "--shards", "8");
      assert.equal(moving.code, 1);
      assert.match(moving.err, /a plan of moves is under way; wait for its end, or end it by/);
    }),
});
