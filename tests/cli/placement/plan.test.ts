/**
 * `cairn plan`: the moves with their reasons, its exit codes, and changes that it refuses.
 */
import assert from "node:assert/strict";
import { smallConfiguration } from "../../integration/small_mesh.ts";
import { ignore, withWorld } from "./joined_hosts.ts";

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
      assert.match(plan.out, /^learn-1 {2}up {2}2 -> 1 trainer$/m);
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
      assert.match(even.out, /^4 shards, 2 joiners and 2 trainers stay \(version/m);
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
  name: "plan and apply refuse sections that the hosts do not run with, and say what to do",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const hosts = "learn-1, learn-2, tables-1, tables-2 run with other";
      const stop = "Stop all hosts, then start them with this file.";
      const changes = {
        "model.embeddingDim=8": `${hosts} embeddings, model. ${stop}`,
        "model.hidden=[16]": `${hosts} model. ${stop}`,
        "features.slots.tags.pooling=sum": `${hosts} features. ${stop}`,
        "joiner.tasks.clicked=[{ action: click, label: positive }]":
          `${hosts} joiner.tasks. ${stop}`,
        "mesh.hosts.edge.roles=[serving, joiner, trainer, shards]":
          `${hosts} mesh.hosts.edge. ${stop}`,
      };
      const restart = "Restart them with this file one after another";
      const restarts = {
        "mesh.hosts.tables3={ address: '127.0.0.1:7404', roles: [shards] }":
          `${hosts} mesh.hosts.tables3. ${restart}, and start hosts that are new in mesh.hosts last.`,
      };
      const refused = [
        ...Object.entries(changes).map(([change, said]) =>
          [change, `error: A running mesh cannot take this configuration: ${said}\n`] as const
        ),
        ...Object.entries(restarts).map(([change, said]) =>
          [change, `error: Hosts take this configuration when they start: ${said}\n`] as const
        ),
      ];
      for (const [change, said] of refused) {
        for (const command of ["plan", "apply"]) {
          const { code, out, err } = await world.run(command, "--set", change);
          assert.deepEqual([code, out, err], [1, "", said], `${command} ${change}`);
        }
      }
      assert.equal((await world.run("status")).out.includes("last plan"), false, "nothing began");
      const own = {
        "placement={ kind: workers, shardThreads: 2 }": "placement",
        "joiner.window=3s": "joiner",
        "joiner.lateLabels={ clicked: 1d }": "joiner",
        "trainer.batchRows=64": "trainer",
        "model.learningRateSchedule={ warmupSteps: 9 }": "model.learningRateSchedule",
        "sync.rowsInterval=50ms": "sync",
        "storage.logBytesMax=1GiB": "storage.logBytesMax",
        "mesh.lease=5m": "mesh.lease",
      };
      for (const [change, section] of Object.entries(own)) {
        const { code, err } = await world.run("plan", "--set", change);
        const said = `with other ${section}, which hosts take when they start: restart the hosts`;
        assert.deepEqual([code, err.includes(said)], [2, true], `${change}: ${err}`);
      }
      const counts = ["trainer.count=1", "joiner.partitions=4", "shards.count=8"];
      const many = await world.run("plan", ...counts.flatMap((change) => ["--set", change]));
      assert.doesNotMatch(many.err, /when they start/, "commands change these numbers");
      assert.equal((await world.run("status", "--set", "model.embeddingDim=8")).code, 0);
      assert.equal((await world.run("plan", "--set", "gateway.deadline=6s")).code, 2);
    }),
});

Deno.test({
  name: "a configuration that cannot be used is an error, not a change",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      const unusable = await world.run("plan", "--set", "shards.count=0");
      assert.equal(unusable.code, 1, unusable.err);
      assert.match(unusable.err, /shards.count/);
    }),
});

Deno.test({
  name: "a mesh without a store, and one process, say what to do",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      world.write([`, redis: { url: "${world.redis}" }`, ""]);
      const alone = await world.run("plan");
      assert.equal(alone.code, 1);
      assert.match(alone.err, /Set storage.redis to the address of a Redis or Valkey server/);
      Deno.writeTextFileSync(world.file, smallConfiguration("in one thread"));
      assert.match((await world.run("plan")).err, /one process runs everything/);
    }),
});
