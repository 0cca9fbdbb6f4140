/**
 * `cairn explain`: where a part is, how far it has read, and its last move.
 */
import assert from "node:assert/strict";
import { ignore, withWorld } from "./joined_hosts.ts";

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

      const lost = "the example log lacks examples";
      await world.tell("learn-2", {
        unplaced: { "trainer/0": lost },
        refusal: "the log has lost 7 records",
      });
      const unplaced = await world.run("explain", "trainer", "0");
      assert.match(
        unplaced.out,
        /^trainer 0 cannot be placed there, and is tried again: the example log/m,
      );
      const status = await world.run("status");
      assert.match(
        status.out,
        /^trainer 0 cannot be placed on learn-2, which tries again: the example/m,
      );
      assert.match(status.out, /^learn-2 refuses events: the log has lost 7 records$/m);

      await world.tell("learn-2", {
        load: { "events/1.unread": 3, "trainer/0.unread": 0 },
      });
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
      world.write(["\nmesh:\n", `\n${kept}\nmesh:\n`]);
      await world.tell("learn-2", { load: { "keeper/1.unread": 4 } });
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
        /no part "scorer": type shard \(of the embedding tables\), joiner \(of the event log\), tr/,
      );
      const tables = await world.run("explain", "tables");
      assert.equal(tables.code, 1);
      assert.match(
        tables.err,
        /no part "tables": type shard .*, with a number or alone for all of/,
      );
      assert.match(await refused("shard", "x"), /whole number/);

      const elsewhere = await world.run("recover", "--accept-loss");
      assert.equal(elsewhere.code, 1, "the snapshots are not there");
      assert.match(elsewhere.err, /storage\.path \(\S+data\) is not there: .* Nothing has changed/);
      Deno.mkdirSync(`${world.folder}/data`);
      assert.equal((await world.run("recover", "--accept-loss")).code, 0);
      const given = await world.run("explain", "shard", "3");
      assert.match(given.out, /^shard 3 is unassigned in epoch \d+\n/);
    }),
});

Deno.test({
  name: "all parts of a kind are explained where no number is typed",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const shards = await world.run("explain", "shard");
      assert.equal(shards.code, 0, shards.err);
      assert.deepEqual(
        shards.out.match(/^shard \d is active/gm),
        [0, 1, 2, 3].map((shard) => `shard ${shard} is active`),
      );
      const joiners = JSON.parse((await world.run("explain", "joiner", "--json")).out);
      assert.deepEqual(
        joiners.map(({ part, number }: { part: string; number: number }) => [part, number]),
        [["joiner", 0], ["joiner", 1]],
      );
      assert.match(
        (await world.run("explain", "keeper")).err,
        /There is no keeper: the mesh has none/,
      );
    }),
});

Deno.test({
  name: "status, plan and explain tell that a host gets no shards because others do not reach it",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      for (const host of ["learn-1", "learn-2"]) await world.tell(host, { unlinked: ["tables-2"] });
      assert.match(
        (await world.run("status")).out,
        /^learn-1 and learn-2 have no link with tables-2: their logs say why$/m,
      );
      const { unlinked } = JSON.parse((await world.run("status", "--json")).out);
      assert.deepEqual(unlinked, [{ host: "tables-2", without: ["learn-1", "learn-2"] }]);
      const passedOver = /; learn-1 and learn-2 have no link with tables-2$/m;
      assert.match((await world.run("explain", "shard", "3")).out, passedOver);
      assert.match(
        (await world.run("plan")).out,
        /^tables-2 {2}up {2}0 shards .* {2}learn-1 and learn-2 have no link with it$/m,
      );
      const { err } = await world.run("drain", "tables-1");
      assert.match(
        err,
        /tables-1 is draining, and tables-2 has room, but learn-1 and learn-2 have no link with/,
      );
      for (const host of ["learn-1", "learn-2"]) await world.tell(host, {});
      assert.doesNotMatch((await world.run("status")).out, /no link with tables-2/);
    }),
});

Deno.test({
  name: "status names the hosts of the mesh that the file does not list",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const { out } = await world.run("status");
      assert.match(
        out,
        /^not in this file: learn-1, learn-2; .* list them in mesh\.hosts, and restart/m,
      );
      const { unlisted } = JSON.parse((await world.run("status", "--json")).out);
      assert.deepEqual(unlisted, ["learn-1", "learn-2"]);
      const edge = '    edge: { address: "127.0.0.1:7401"';
      const learning = [1, 2].map((i) =>
        `    learn-${i}: { address: "127.0.0.1:${7_410 + i}", roles: [joiner, trainer] }\n`
      );
      world.write([edge, learning.join("") + edge]);
      assert.doesNotMatch((await world.run("status")).out, /not in this file/);
    }),
});

Deno.test({
  name: "status names the hosts of the file that are not up",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const { out } = await world.run("status");
      assert.match(out, /^not up: edge {2}serving, joiner, trainer {2}127.0.0.1:7401$/m);
      assert.doesNotMatch(out, /not up: tables/);
      assert.doesNotMatch(out, /^edge/m);
      assert.match(out, /^version \d+; (no host|[\w-]+) decides what moves$/m);
      assert.match(out, /^host +state +roles +address +shards +rows +memory +reads$/m);
      assert.match(
        out,
        /^learn-2 +up +\S.*:\d+$/m,
        "no columns of shards for a host without the role",
      );
      const { absent } = JSON.parse((await world.run("status", "--json")).out);
      assert.deepEqual(absent, [{
        host: "edge",
        roles: ["serving", "joiner", "trainer"],
        address: "127.0.0.1:7401",
      }]);
    }),
});

Deno.test({
  name: "status names the parts that hosts cannot place, of hosts that are to have them",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      await world.tell("tables-1", { unplaced: { "embedding_shard/0": "no room" } });
      await world.tell("tables-2", { unplaced: { "embedding_shard/1": "it is there no more" } });
      await world.tell("learn-1", { unplaced: { "snapshotter/0": "the disk is full" } });
      const { out } = await world.run("status");
      assert.deepEqual(out.match(/^.*cannot be placed.*$/mg)?.toSorted(), [
        "shard 0 cannot be placed on tables-1, which tries again: no room",
        "snapshotter cannot be placed on learn-1, which tries again: the disk is full",
      ]);
    }),
});

Deno.test({
  name: "status and explain name the parts whose host is gone and that no other one can take",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      await world.copy("shard/1", "tables-2");
      await world.leave("tables-1");
      const isNamed = async () => /^without a host/m.test((await world.run("status")).out);
      assert.equal(await isNamed(), false, "tables-2 takes them over soon");
      await world.run("drain", "tables-2");
      const { out } = await world.run("status");
      assert.match(
        out,
        /^without a host: shard 0, shard 1, shard 2, shard 3: its host tables-1 is gone, and no host is up that may own shards$/m,
      );
      assert.doesNotMatch(out, /shard 1 is moving/);
      assert.match(
        (await world.run("explain", "shard", "1")).out,
        /^shard 1 has no host: it was moving from "tables-1" to "tables-2" .*, and that run of tables-1 is gone$/m,
      );
      await world.run("undrain", "tables-2");
      assert.equal(await isNamed(), false);
    }),
});
