/** The promises of a change of the partitions of both logs over every record store. */
import assert from "node:assert/strict";
import type { HostDescription } from "../../../mesh/ports/coordination.ts";
import { hostOf, ready, refusal, type ReshardTest, settle } from "./reshard_given.ts";

export function livePartitionsContract(
  test: ReshardTest,
  host: (name: string) => HostDescription,
): void {
  const a = hostOf(host);

  test("other partitions end the joiners before, in later epochs, and deal the trainers anew", async (given) => {
    const epoch = await ready(given, a);
    const { mesh } = given;
    const joins: HostDescription = { ...host("j"), roles: ["joiner", "trainer"] };
    await mesh.join(joins);
    const change = { parts: "partitions", to: 3, examples: 6 } as const;
    assert.match(
      await refusal(mesh.askReshard(change)),
      /events\/0 is unassigned.*every joiner active/,
    );
    for (const key of ["events/0", "events/1"] as const) await given.activate(epoch, key, joins);
    const asked = await mesh.askReshard(change);
    const { division } = asked;
    const examples = { from: 2, to: 6 };
    const record = { ...change, examples, division: 1, from: 2, state: "asked", planBefore: 0 };
    assert.deepEqual(asked, record);
    assert.deepEqual(await mesh.askReshard(change), asked, "it may be sent twice");
    assert.match(
      await refusal(mesh.askReshard({ ...change, examples: 3 })),
      /from 2 to 3 partitions of the event log and from 2 to 6 partitions of the ex.* is under way/,
    );
    await mesh.beginReshard(a, asked);
    const { identity, placements, generation } = await mesh.read();
    assert.deepEqual(await mesh.beginReshard(a, asked), identity, "it may be sent twice");
    assert.deepEqual(
      [identity.eventPartitions, identity.examplePartitions, identity.dealing],
      [3, 6, division],
    );
    assert.deepEqual(identity.earlierPartitions, [{ events: 2, examples: 2 }]);
    assert.equal(generation, (await mesh.read()).generation);
    const events = [...placements].filter(([key]) => key.startsWith("events/"));
    assert.deepEqual(
      events.map(([key, { state, epoch }]) => [key, state, epoch]),
      [
        ["events/0", "restoring", 2],
        ["events/1", "restoring", 2],
        ["events/2", "unassigned", 2],
        ["events/3", "unassigned", 2],
        ["events/4", "unassigned", 2],
      ],
    );
    assert.deepEqual(placements.get("trainer/0"), { state: "unassigned", epoch: 2 });
    assert.equal(placements.get("shard/0")?.state, "active", "the shards keep their rows");
    assert.match(await refusal(mesh.cancelReshard()), /has begun and is carried to its end/);
  });

  test("joiners of partitions that ended twice before have no place any more", async (given) => {
    const epoch = await ready(given, a);
    const { mesh } = given;
    const joins: HostDescription = { ...host("j"), roles: ["joiner", "trainer"] };
    await mesh.join(joins);
    for (const key of ["events/0", "events/1"] as const) await given.activate(epoch, key, joins);
    for (const to of [2, 1]) {
      const examples = 2 * to;
      await mesh.beginReshard(a, await mesh.askReshard({ parts: "partitions", to, examples }));
      await settle(given, a, joins);
    }
    const { placements } = await mesh.read();
    assert.deepEqual(
      [...placements.keys()].filter((key) => key.startsWith("events/")),
      ["events/2", "events/3", "events/4"],
    );
  });

  test("other partitions are refused with the remedy", async (given) => {
    await ready(given, a);
    const { mesh } = given;
    const ask = (to: number, examples: number) =>
      refusal(mesh.askReshard({ parts: "partitions", to, examples }));
    assert.match(await ask(2, 2), /the mesh has these partitions already/);
    assert.match(await ask(2, 3), /expected numbers from 1 to 1024 of which the second is a mult/);
    assert.match(await ask(0, 0), /expected numbers from 1 to 1024/);
    assert.match(
      await ask(1, 1),
      /each of 2 trainers needs a partition of the example log, found 1: lower trainer.count, or/,
    );
    assert.match(await ask(4, 4), /no host with the role joiner is up/);
    for (const trainers of [0, 1.5, NaN]) {
      assert.match(
        await refusal(mesh.askReshard({ parts: "partitions", to: 4, examples: 4, trainers })),
        /found .* trainers, expected a whole number from 1 on/,
      );
    }
  });

  test("partitions and trainers change in one step", async (given) => {
    const epoch = await ready(given, a);
    const { mesh } = given;
    const joins: HostDescription = { ...host("j"), roles: ["joiner", "trainer"] };
    await mesh.join(joins);
    for (const key of ["events/0", "events/1"] as const) await given.activate(epoch, key, joins);
    for (const trainers of [4, 1]) {
      const { identity: before } = await mesh.read();
      // The partitions of the event log stay as many: those of the examples alone change.
      const change = { parts: "partitions", to: 2, examples: 2 * trainers, trainers } as const;
      const asked = await mesh.askReshard(change);
      assert.deepEqual(asked.trainers, { from: before.trainers, to: trainers });
      assert.deepEqual(await mesh.askReshard(change), asked, "it may be sent twice");
      assert.match(
        await refusal(mesh.askReshard({ ...change, trainers: 2 })),
        new RegExp(`from ${before.trainers} to ${trainers} trainers is under way`),
      );
      const identity = await mesh.beginReshard(a, asked);
      assert.deepEqual(
        [identity.examplePartitions, identity.trainers, identity.dealing],
        [2 * trainers, trainers, before.dealing + 1],
      );
      const { placements } = await mesh.read();
      const dealt = [...placements].filter(([key]) => key.startsWith("trainer/"));
      assert.equal(dealt.length, trainers);
      assert.ok(dealt.every(([, { state }]) => state === "unassigned"));
      await settle(given, a, joins);
    }
  });
}
