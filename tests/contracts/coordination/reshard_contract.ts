/**
 * The promises of a change of the number of shards over every record store; the suite of
 * coordination runs them.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type {
  Coordination,
  HostDescription,
  PlacedKey,
  Placement,
} from "../../../mesh/ports/coordination.ts";
import { RECOVERY_STEP } from "../../../mesh/ports/coordination.ts";
import {
  HostGoneError,
  PlanConflictError,
  ProtocolMismatchError,
  StaleControllerError,
  StaleManifestError,
} from "../../../mesh/ports/coordination_errors.ts";
import { reshardStep, SERVED_SHARDING } from "../../../mesh/ports/reshard_progress.ts";
import {
  PARTITIONS_PROTOCOL,
  type ReshardRecord,
  ReshardRefusedError,
} from "../../../mesh/ports/resharding.ts";
import { present } from "../../../structures/invariant.ts";

/** A mesh of four shards and two partitions of examples, and ways to change it. */
export interface ReshardGiven {
  readonly mesh: Coordination;
  /** The same mesh, seen by a process whose leases are expired as soon as they are made. */
  readonly brief: Coordination;
  control(host: HostDescription): Promise<number>;
  activate(epoch: number, key: PlacedKey, owner: HostDescription): Promise<Placement>;
}

type Test = (name: string, body: (given: ReshardGiven) => Promise<void>) => void;

export function reshardContract(test: Test, host: (name: string) => HostDescription): void {
  const a: HostDescription = { ...host("a"), roles: ["shards", "trainer", "sync"] };
  const keys: readonly PlacedKey[] = ["shard/0", "shard/1", "shard/2", "shard/3", "trainer/0"];
  const ready = async ({ mesh, control, activate }: ReshardGiven) => {
    await mesh.join(a);
    const epoch = await control(a);
    for (const key of keys) await activate(epoch, key, a);
    return epoch;
  };
  /** Has every part that waits for its owner begin on a host. */
  const settle = async ({ mesh, control, activate }: ReshardGiven, owner: HostDescription) => {
    const epoch = await control(a);
    for (const [key, expected] of (await mesh.read()).placements) {
      if (expected.state === "unassigned") await activate(epoch, key, owner);
      if (expected.state !== "restoring") continue;
      const next = { state: "active", owner: expected.owner } as const;
      await mesh.place({ by: expected.owner, changes: [{ key, expected, next }] });
    }
  };
  const refusal = async (asked: Promise<unknown>) => {
    const error = await asked.then(() => undefined, (error) => error);
    assert.ok(error instanceof ReshardRefusedError, String(error));
    return error.message;
  };

  test("a change gives all shards up, in the new number and in later epochs", async (given) => {
    await ready(given);
    const { mesh } = given;
    const before = await mesh.read();
    const asked = await mesh.askReshard({ parts: "shards", to: 6, version: before.version });
    assert.deepEqual(asked, {
      parts: "shards",
      division: 1,
      from: 4,
      to: 6,
      state: "asked",
      planBefore: 0,
    });
    assert.equal((await mesh.read()).identity.shards, 4, "nothing changes before it begins");
    assert.equal((await mesh.beginReshard(a, { parts: "shards", division: 1 })).shards, 6);
    const after = await mesh.read();
    assert.deepEqual([after.identity.shards, after.identity.sharding], [6, 1]);
    assert.equal(after.generation, before.generation + 1);
    assert.ok(after.version > before.version);
    assert.equal(after.reshard?.state, "begun");
    for (const shard of [0, 1, 2, 3, 4, 5]) {
      const epoch = shard < 4 ? 2 : 1;
      assert.deepEqual(after.placements.get(`shard/${shard}`), { state: "unassigned", epoch });
    }
    const { host, incarnation } = a;
    assert.deepEqual(after.placements.get("trainer/0"), {
      state: "restoring",
      owner: { host, incarnation },
      epoch: 2,
    });
    assert.deepEqual(after.placements.get("trainer/1"), { state: "unassigned", epoch: 0 });
  });

  test("a change and its beginning may be sent twice", async (given) => {
    await ready(given);
    const { mesh } = given;
    assert.deepEqual(
      await mesh.askReshard({ parts: "shards", to: 2 }),
      await mesh.askReshard({ parts: "shards", to: 2 }),
    );
    const begun = await mesh.beginReshard(a, { parts: "shards", division: 1 });
    const { placements } = await mesh.read();
    assert.deepEqual(await mesh.beginReshard(a, { parts: "shards", division: 1 }), begun);
    assert.deepEqual((await mesh.read()).placements, placements);
  });

  test("a change that has not begun can be ended, and begins no more", async (given) => {
    await ready(given);
    const { mesh } = given;
    assert.match(await refusal(mesh.cancelReshard()), /no change was asked for/);
    await mesh.askReshard({ parts: "shards", to: 2 });
    assert.equal((await mesh.cancelReshard()).state, "cancelled");
    assert.equal((await mesh.cancelReshard()).state, "cancelled");
    assert.match(
      await refusal(mesh.beginReshard(a, { parts: "shards", division: 1 })),
      /not asked for any more/,
    );
    assert.equal((await mesh.read()).identity.shards, 4);
    await mesh.askReshard({ parts: "shards", to: 3 });
    await mesh.beginReshard(a, { parts: "shards", division: 1 });
    assert.match(
      await refusal(mesh.cancelReshard()),
      /has begun.*to go back, run cairn reshard --shards 4/,
    );
  });

  test("a change that the mesh cannot make is refused with the remedy", async (given) => {
    const { mesh, activate } = given;
    assert.match(
      await refusal(mesh.askReshard({ parts: "shards", to: 2 })),
      /role sync.* is not up; start it/,
    );
    await mesh.join(a);
    assert.match(
      await refusal(mesh.askReshard({ parts: "shards", to: 2 })),
      /shard\/0 is unassigned.*; wait until cairn status shows every shard active/,
    );
    const epoch = await ready(given);
    for (const shards of [0, 1_025, 2.5, -1, NaN]) {
      assert.match(
        await refusal(mesh.askReshard({ parts: "shards", to: shards })),
        /a whole number from 1 to 1024/,
      );
    }
    assert.match(
      await refusal(mesh.askReshard({ parts: "shards", to: 4 })),
      /has 4 shards already/,
    );
    await assert.rejects(
      mesh.askReshard({ parts: "shards", to: 2, version: 1_000 }),
      PlanConflictError,
    );
    const b = host("b");
    await mesh.join(b);
    const moving = { state: "moving", owner: a, target: b, phase: "filling" } as const;
    const expected = await activate(epoch, "shard/3", a);
    await mesh.place({
      by: { controllerEpoch: epoch },
      changes: [{ key: "shard/3", expected, next: moving }],
    });
    assert.match(
      await refusal(mesh.askReshard({ parts: "shards", to: 2 })),
      /shard\/3 is moving from "a"/,
    );
  });

  test("a change is refused while a plan, another change or a host's silence stands against it", async (given) => {
    await ready(given);
    const { mesh, brief } = given;
    await mesh.writePlan({ edition: 0 }, { format: 1, state: "active", moves: [], movesMax: 1 });
    assert.match(
      await refusal(mesh.askReshard({ parts: "shards", to: 2 })),
      /end it by cairn cancel/,
    );
    await mesh.writePlan({ edition: 1 }, { format: 1, state: "done", moves: [], movesMax: 1 });
    await brief.join(host("b"));
    assert.match(
      await refusal(mesh.askReshard({ parts: "shards", to: 2 })),
      /host "b" does not renew/,
    );
    await mesh.leave(host("b"));
    await mesh.askReshard({ parts: "shards", to: 2 });
    assert.match(
      await refusal(mesh.askReshard({ parts: "shards", to: 3 })),
      /2 shards is under way already/,
    );
  });

  test("a change waits where no host that is up may have shards", async (given) => {
    await ready(given);
    const { mesh } = given;
    await mesh.setHostState("a", "draining");
    assert.match(
      await refusal(mesh.askReshard({ parts: "shards", to: 2 })),
      /no host with the role shards is up and not draining; start another/,
    );
  });

  test("a process that was replaced begins no sharding", async (given) => {
    await ready(given);
    const { mesh } = given;
    await mesh.askReshard({ parts: "shards", to: 2 });
    await mesh.join({ ...a, incarnation: "a-2" });
    await assert.rejects(mesh.beginReshard(a, { parts: "shards", division: 1 }), HostGoneError);
  });

  test("an accepted loss ends a change, and no sharding has a number that was lost", async (given) => {
    await ready(given);
    const { mesh } = given;
    await mesh.askReshard({ parts: "shards", to: 2 });
    await mesh.beginReshard(a, { parts: "shards", division: 1 });
    await mesh.acceptLoss();
    const after = await mesh.read();
    assert.equal(after.identity.sharding, 1 + RECOVERY_STEP);
    await given.control(a);
    for (const key of ["shard/0", "shard/1", "trainer/0", "trainer/1"] as const) {
      await given.activate(await given.control(a), key, a);
    }
    await mesh.askReshard({ parts: "shards", to: 4 });
    await mesh.acceptLoss();
    assert.equal((await mesh.read()).reshard?.state, "cancelled");
  });

  test("a change of trainers gives all of them up under one epoch, and leaves the shards alone", async (given) => {
    const epoch = await ready(given);
    const { mesh, control, activate } = given;
    await activate(epoch, "trainer/1", a);
    for (let owner = 0; owner < 3; owner++) await activate(await control(a), "trainer/1", a);
    const before = await mesh.read();
    const newest = present(before.placements.get("trainer/1"), "it was placed").epoch;
    const asked = await mesh.askReshard({ parts: "trainers", to: 1, version: before.version });
    assert.deepEqual(asked, {
      parts: "trainers",
      division: 1,
      from: 2,
      to: 1,
      state: "asked",
      planBefore: 0,
    });
    const begun = await mesh.beginReshard(a, asked);
    assert.deepEqual(await mesh.beginReshard(a, asked), begun, "it may be sent twice");
    const after = await mesh.read();
    assert.deepEqual([after.identity.trainers, after.identity.dealing], [1, 1]);
    assert.deepEqual([after.identity.shards, after.identity.sharding], [4, 0]);
    assert.equal(after.generation, before.generation, "no shard goes back");
    assert.ok(after.version > before.version);
    const given0: Placement = { state: "unassigned", epoch: newest + 1 };
    assert.deepEqual(after.placements.get("trainer/0"), given0);
    assert.equal(after.placements.get("trainer/1"), undefined);
    for (const shard of [0, 1, 2, 3]) {
      const key: PlacedKey = `shard/${shard}`;
      assert.deepEqual(after.placements.get(key), before.placements.get(key));
    }
    await activate(await control(a), "trainer/0", a);
    const again = await mesh.askReshard({ parts: "trainers", to: 2 });
    assert.equal(again.division, 2);
    await mesh.beginReshard(a, again);
    const { placements } = await mesh.read();
    for (const key of ["trainer/0", "trainer/1"] as const) {
      assert.deepEqual(placements.get(key), { state: "unassigned", epoch: newest + 3 });
    }
  });

  test("a snapshot that was begun with the trainers before is not published", async (given) => {
    await ready(given);
    const { mesh } = given;
    const { generation, placements } = await mesh.read();
    const { epoch } = present(placements.get("trainer/0"), "it was placed");
    await mesh.beginReshard(a, await mesh.askReshard({ parts: "trainers", to: 1 }));
    const offer = { name: "snapshots/1", after: 0, generation, epochs: { "trainer/0": epoch } };
    await assert.rejects(mesh.publishManifest(offer), StaleManifestError);
  });

  test("a change of trainers that the mesh cannot make is refused with the remedy", async (given) => {
    const { mesh } = given;
    const ask = (to: number) => refusal(mesh.askReshard({ parts: "trainers", to }));
    assert.match(await ask(1), /number of trainers stays .*role sync.* is not up; start it/);
    await mesh.join({ ...host("s"), roles: ["sync"] });
    assert.match(await ask(1), /no host with the role trainer is up and not draining; start/);
    await mesh.join(a);
    for (const to of [0, 3, 1.5, NaN]) {
      assert.match(await ask(to), /a whole number from 1 to 2, the number of partitions/);
    }
    assert.match(await ask(2), /the mesh has 2 trainers already/);
    const asked = await mesh.askReshard({ parts: "trainers", to: 1 });
    assert.match(
      await refusal(mesh.askReshard({ parts: "shards", to: 2 })),
      /a change from 2 to 1 trainers is under way already/,
    );
    const stale = { parts: "shards", division: 1 } as const;
    assert.match(await refusal(mesh.beginReshard(a, stale)), /not asked for any more/);
    await mesh.beginReshard(a, asked);
    assert.match(
      await refusal(mesh.cancelReshard()),
      /to go back, set trainer.count to 2 and run cairn apply/,
    );
  });

  test("a change is refused until the one before is done, and says what is left of it", async (given) => {
    await ready(given);
    const { mesh, control, activate } = given;
    const serving: HostDescription = { ...host("e"), roles: ["serving"] };
    await mesh.join(serving);
    await mesh.beginReshard(a, await mesh.askReshard({ parts: "shards", to: 2 }));
    const ask = () => refusal(mesh.askReshard({ parts: "trainers", to: 1 }));
    const left = (what: string) =>
      new RegExp(`from 4 to 2 shards has begun and is not done \\(${what}\\); wait until cairn st`);
    assert.match(await ask(), left("not every part of it is there"));
    const epoch = await control(a);
    for (const key of ["shard/0", "shard/1", "trainer/0", "trainer/1"] as const) {
      await activate(epoch, key, a);
    }
    assert.match(await ask(), left("e has not changed over"));
    assert.equal((await mesh.read()).reshard?.parts, "shards", "a refusal changes nothing");
    await mesh.renew(serving, { [SERVED_SHARDING]: 1 });
    await mesh.beginReshard(a, await mesh.askReshard({ parts: "trainers", to: 1 }));
    assert.match(
      await refusal(mesh.askReshard({ parts: "trainers", to: 2 })),
      /from 2 to 1 trainers has begun and is not done/,
    );
  });

  test("a change knows the last plan of moves before it", async (given) => {
    await ready(given);
    const { mesh } = given;
    const plan = { format: 1, state: "done", moves: [], movesMax: 1 };
    for (const edition of [0, 1]) await mesh.writePlan({ edition }, plan);
    assert.equal((await mesh.askReshard({ parts: "shards", to: 2 })).planBefore, 2);
  });

  test("an accepted loss gives the trainers of every dealing later epochs", async (given) => {
    await ready(given);
    const { mesh } = given;
    await mesh.beginReshard(a, await mesh.askReshard({ parts: "trainers", to: 1 }));
    const before = (await mesh.read()).placements.get("trainer/0")?.epoch ?? 0;
    await mesh.acceptLoss();
    assert.equal((await mesh.read()).identity.dealing, 1 + RECOVERY_STEP);
    await mesh.join(a);
    await given.activate(await given.control(a), "trainer/0", a);
    await mesh.beginReshard(a, await mesh.askReshard({ parts: "trainers", to: 2 }));
    const { placements } = await mesh.read();
    for (const key of ["trainer/0", "trainer/1"] as const) {
      assert.ok((placements.get(key)?.epoch ?? 0) > before + RECOVERY_STEP);
    }
  });

  test("other partitions end the joiners before, in later epochs, and deal the trainers anew", async (given) => {
    const epoch = await ready(given);
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
    const epoch = await ready(given);
    const { mesh } = given;
    const joins: HostDescription = { ...host("j"), roles: ["joiner", "trainer"] };
    await mesh.join(joins);
    for (const key of ["events/0", "events/1"] as const) await given.activate(epoch, key, joins);
    for (const to of [2, 1]) {
      const examples = 2 * to;
      await mesh.beginReshard(a, await mesh.askReshard({ parts: "partitions", to, examples }));
      await settle(given, joins);
    }
    const { placements } = await mesh.read();
    assert.deepEqual(
      [...placements.keys()].filter((key) => key.startsWith("events/")),
      ["events/2", "events/3", "events/4"],
    );
  });

  test("other partitions are refused with the remedy", async (given) => {
    await ready(given);
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
    const epoch = await ready(given);
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
      await settle(given, joins);
    }
  });

  test("a change that was seen at its end is done, whatever is restored afterwards", async (given) => {
    await ready(given);
    const { mesh, control, activate } = given;
    const asked = await mesh.askReshard({ parts: "trainers", to: 1 });
    const stateAfterEnd = async (change: Pick<ReshardRecord, "parts" | "division"> = asked) => {
      await mesh.endReshard(await control(a), change);
      return (await mesh.read()).reshard?.state;
    };
    assert.equal(await stateAfterEnd(), "asked");
    await mesh.beginReshard(a, asked);
    assert.equal(await stateAfterEnd(), "begun", "its trainer is not there");
    await activate(await control(a), "trainer/0", a);
    assert.equal(await stateAfterEnd({ parts: "trainers", division: 2 }), "begun");
    await assert.rejects(mesh.endReshard(1_000, asked), StaleControllerError);
    assert.equal(await stateAfterEnd(), "done");
    assert.equal(await stateAfterEnd(), "done", "it may be sent twice");
    const { identity } = await mesh.read();
    assert.deepEqual(await mesh.beginReshard(a, asked), identity, "an answer that comes late");
    assert.match(
      await refusal(mesh.cancelReshard()),
      /from 2 to 1 trainers is done; to go back, set/,
    );
    const expected = present((await mesh.read()).placements.get("trainer/0"), "it was placed");
    await mesh.place({
      by: { controllerEpoch: await control(a) },
      changes: [{ key: "trainer/0", expected, next: { state: "restoring", owner: a } }],
    });
    assert.deepEqual(reshardStep(await mesh.read()), { kind: "done" });
    assert.equal((await mesh.askReshard({ parts: "trainers", to: 2 })).division, 2);
  });

  test("an override changes the trainers before the change before is done, in later epochs", async (given) => {
    await ready(given);
    const { mesh } = given;
    await mesh.beginReshard(a, await mesh.askReshard({ parts: "trainers", to: 1 }));
    const before = (await mesh.read()).placements.get("trainer/0");
    const change = { parts: "trainers", to: 2 } as const;
    assert.match(
      await refusal(mesh.askReshard(change)),
      /from 2 to 1 trainers has begun and is not/,
    );
    const asked = await mesh.askReshard({ ...change, override: "it has no memory" });
    assert.deepEqual([asked.state, asked.override], ["asked", "it has no memory"]);
    assert.deepEqual(await mesh.askReshard(change), asked, "it stays overridden");
    await mesh.beginReshard(a, asked);
    const { identity, placements } = await mesh.read();
    assert.equal(identity.trainers, 2);
    for (const key of ["trainer/0", "trainer/1"] as const) {
      assert.ok((placements.get(key)?.epoch ?? 0) > (before?.epoch ?? 0));
    }
    const shards = { parts: "shards", to: 8, override: "it has no memory" } as const;
    assert.match(
      await refusal(mesh.askReshard(shards)),
      /an override is for the number of trainers/,
    );
  });

  test("a host that knows no other partitions stands against them, and is refused behind them", async (given) => {
    const epoch = await ready(given);
    const { mesh } = given;
    const joins: HostDescription = { ...host("j"), roles: ["joiner", "trainer"] };
    const older: HostDescription = { ...host("old"), protocols: [1, 1] };
    await mesh.join(joins);
    for (const key of ["events/0", "events/1"] as const) await given.activate(epoch, key, joins);
    const change = { parts: "partitions", to: 3, examples: 3 } as const;
    await mesh.join(older);
    assert.match(
      await refusal(mesh.askReshard(change)),
      /old runs a build.*upgrade every host first/,
    );
    await mesh.leave(older);
    const asked = await mesh.askReshard(change);
    await mesh.join(older);
    assert.match(await refusal(mesh.beginReshard(a, asked)), /old runs a build/);
    await mesh.leave(older);
    assert.equal((await mesh.beginReshard(a, asked)).protocol, PARTITIONS_PROTOCOL);
    await assert.rejects(mesh.join(older), ProtocolMismatchError);
    await mesh.join({ ...older, protocols: [1, 2] });
  });

  test("whatever numbers follow each other, epochs of a shard only grow", async (given) => {
    await ready(given);
    const { mesh } = given;
    const counts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(counts, async (counts) => {
        const last = new Map<PlacedKey, number>();
        for (const shards of counts) {
          const { identity, placements } = await mesh.read();
          for (const [key, { epoch }] of placements) {
            assert.ok(epoch >= (last.get(key) ?? 0), `${key} went back to epoch ${epoch}`);
            last.set(key, epoch);
          }
          if (identity.shards === shards) continue;
          const epoch = await given.control(a);
          for (let shard = 0; shard < identity.shards; shard++) {
            await given.activate(epoch, `shard/${shard}`, a);
          }
          for (const key of ["trainer/0", "trainer/1"] as const) {
            await given.activate(epoch, key, a);
          }
          const asked = await mesh.askReshard({ parts: "shards", to: shards });
          await mesh.beginReshard(a, asked);
        }
      }),
      { numRuns: 10 },
    );
  });
}
