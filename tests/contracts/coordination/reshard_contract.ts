/** The promises of a change of the number of shards over every record store. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { HostDescription, PlacedKey } from "../../../mesh/ports/coordination.ts";
import { RECOVERY_STEP } from "../../../mesh/ports/coordination.ts";
import { HostGoneError, PlanConflictError } from "../../../mesh/ports/coordination_errors.ts";
import { SERVED_SHARDING } from "../../../mesh/ports/reshard_progress.ts";
import { hostOf, ready, refusal, type ReshardTest } from "./reshard_given.ts";

export function reshardContract(
  test: ReshardTest,
  host: (name: string) => HostDescription,
): void {
  const a = hostOf(host);

  test("a change gives all shards up, in the new number and in later epochs", async (given) => {
    await ready(given, a);
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
    await ready(given, a);
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
    await ready(given, a);
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
      /role trainer.* is up; start one/,
    );
    await mesh.join(a);
    assert.match(
      await refusal(mesh.askReshard({ parts: "shards", to: 2 })),
      /shard\/0 is unassigned.*; wait until cairn status shows every shard active/,
    );
    const epoch = await ready(given, a);
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
      by: { controllerEpoch: epoch, planEdition: 0 },
      changes: [{ key: "shard/3", expected, next: moving }],
    });
    assert.match(
      await refusal(mesh.askReshard({ parts: "shards", to: 2 })),
      /shard\/3 is moving from "a"/,
    );
  });

  test("a change is refused while a plan, another change or a host's silence stands against it", async (given) => {
    await ready(given, a);
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
    await ready(given, a);
    const { mesh } = given;
    await mesh.setHostState("a", "draining");
    assert.match(
      await refusal(mesh.askReshard({ parts: "shards", to: 2 })),
      /no host with the role shards is up and not draining; start another/,
    );
  });

  test("a process that was replaced begins no sharding", async (given) => {
    await ready(given, a);
    const { mesh } = given;
    await mesh.askReshard({ parts: "shards", to: 2 });
    await mesh.join({ ...a, incarnation: "a-2" });
    await assert.rejects(mesh.beginReshard(a, { parts: "shards", division: 1 }), HostGoneError);
  });

  test("an accepted loss ends a change, and no sharding has a number that was lost", async (given) => {
    await ready(given, a);
    const { mesh } = given;
    await mesh.askReshard({ parts: "shards", to: 2 });
    await mesh.beginReshard(a, { parts: "shards", division: 1 });
    await mesh.acceptLoss({ mark: "m0" });
    const after = await mesh.read();
    assert.equal(after.identity.sharding, 1 + RECOVERY_STEP);
    await given.control(a);
    for (const key of ["shard/0", "shard/1", "trainer/0", "trainer/1"] as const) {
      await given.activate(await given.control(a), key, a);
    }
    await mesh.askReshard({ parts: "shards", to: 4 });
    await mesh.acceptLoss({ mark: "m0" });
    assert.equal((await mesh.read()).reshard?.state, "cancelled");
  });

  test("a change is refused until the one before is done, and says what is left of it", async (given) => {
    await ready(given, a);
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
    await mesh.renew(serving, { load: { [SERVED_SHARDING]: 1 } });
    await mesh.beginReshard(a, await mesh.askReshard({ parts: "trainers", to: 1 }));
    assert.match(
      await refusal(mesh.askReshard({ parts: "trainers", to: 2 })),
      /from 2 to 1 trainers has begun and is not done/,
    );
  });

  test("a change knows the last plan of moves before it", async (given) => {
    await ready(given, a);
    const { mesh } = given;
    const plan = { format: 1, state: "done", moves: [], movesMax: 1 };
    for (const edition of [0, 1]) await mesh.writePlan({ edition }, plan);
    assert.equal((await mesh.askReshard({ parts: "shards", to: 2 })).planBefore, 2);
  });

  test("whatever numbers follow each other, epochs of a shard only grow", async (given) => {
    await ready(given, a);
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
