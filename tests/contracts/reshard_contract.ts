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
} from "../../mesh/ports/coordination.ts";
import { RECOVERY_STEP } from "../../mesh/ports/coordination.ts";
import { HostGoneError, PlanConflictError } from "../../mesh/ports/coordination_errors.ts";
import { ReshardRefusedError } from "../../mesh/ports/resharding.ts";

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
  const refusal = async (asked: Promise<unknown>) => {
    const error = await asked.then(() => undefined, (error) => error);
    assert.ok(error instanceof ReshardRefusedError, String(error));
    return error.message;
  };

  test("a change gives all shards up, in the new number and in later epochs", async (given) => {
    await ready(given);
    const { mesh } = given;
    const before = await mesh.read();
    const asked = await mesh.askReshard({ shards: 6, version: before.version });
    assert.deepEqual(asked, { sharding: 1, from: 4, to: 6, state: "asked" });
    assert.equal((await mesh.read()).identity.shards, 4, "nothing changes before it begins");
    assert.equal((await mesh.beginSharding(a, 1)).shards, 6);
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
    assert.deepEqual(await mesh.askReshard({ shards: 2 }), await mesh.askReshard({ shards: 2 }));
    const begun = await mesh.beginSharding(a, 1);
    const { placements } = await mesh.read();
    assert.deepEqual(await mesh.beginSharding(a, 1), begun);
    assert.deepEqual((await mesh.read()).placements, placements);
  });

  test("a change that has not begun can be ended, and begins no more", async (given) => {
    await ready(given);
    const { mesh } = given;
    assert.match(await refusal(mesh.cancelReshard()), /no change was asked for/);
    await mesh.askReshard({ shards: 2 });
    assert.equal((await mesh.cancelReshard()).state, "cancelled");
    assert.equal((await mesh.cancelReshard()).state, "cancelled");
    assert.match(await refusal(mesh.beginSharding(a, 1)), /not asked for any more/);
    assert.equal((await mesh.read()).identity.shards, 4);
    await mesh.askReshard({ shards: 3 });
    await mesh.beginSharding(a, 1);
    assert.match(await refusal(mesh.cancelReshard()), /has begun.*cairn reshard --shards 4 goes/);
  });

  test("a change that the mesh cannot make is refused with the remedy", async (given) => {
    const { mesh, activate } = given;
    assert.match(await refusal(mesh.askReshard({ shards: 2 })), /role sync.* is not up; start it/);
    await mesh.join(a);
    assert.match(
      await refusal(mesh.askReshard({ shards: 2 })),
      /shard\/0 is unassigned.*; wait until cairn status shows every shard active/,
    );
    const epoch = await ready(given);
    for (const shards of [0, 1_025, 2.5, -1, NaN]) {
      assert.match(await refusal(mesh.askReshard({ shards })), /a whole number from 1 to 1024/);
    }
    assert.match(await refusal(mesh.askReshard({ shards: 4 })), /has 4 shards already/);
    await assert.rejects(mesh.askReshard({ shards: 2, version: 1_000 }), PlanConflictError);
    const b = host("b");
    await mesh.join(b);
    const moving = { state: "moving", owner: a, target: b, phase: "filling" } as const;
    const expected = await activate(epoch, "shard/3", a);
    await mesh.place({
      by: { controllerEpoch: epoch },
      changes: [{ key: "shard/3", expected, next: moving }],
    });
    assert.match(await refusal(mesh.askReshard({ shards: 2 })), /shard\/3 is moving from "a"/);
  });

  test("a change is refused while a plan, another change or a host's silence stands against it", async (given) => {
    await ready(given);
    const { mesh, brief } = given;
    await mesh.writePlan({ edition: 0 }, { format: 1, state: "active", moves: [], movesMax: 1 });
    assert.match(await refusal(mesh.askReshard({ shards: 2 })), /end it by cairn cancel/);
    await mesh.writePlan({ edition: 1 }, { format: 1, state: "done", moves: [], movesMax: 1 });
    await brief.join(host("b"));
    assert.match(await refusal(mesh.askReshard({ shards: 2 })), /host "b" does not renew/);
    await mesh.leave(host("b"));
    await mesh.askReshard({ shards: 2 });
    assert.match(await refusal(mesh.askReshard({ shards: 3 })), /2 shards is under way already/);
  });

  test("a change waits where no host that is up may have shards", async (given) => {
    await ready(given);
    const { mesh } = given;
    await mesh.setHostState("a", "draining");
    assert.match(await refusal(mesh.askReshard({ shards: 2 })), /is draining; start another one/);
  });

  test("a process that was replaced begins no sharding", async (given) => {
    await ready(given);
    const { mesh } = given;
    await mesh.askReshard({ shards: 2 });
    await mesh.join({ ...a, incarnation: "a-2" });
    await assert.rejects(mesh.beginSharding(a, 1), HostGoneError);
  });

  test("an accepted loss ends a change, and no sharding has a number that was lost", async (given) => {
    await ready(given);
    const { mesh } = given;
    await mesh.askReshard({ shards: 2 });
    await mesh.beginSharding(a, 1);
    await mesh.acceptLoss();
    const after = await mesh.read();
    assert.equal(after.identity.sharding, 1 + RECOVERY_STEP);
    await given.control(a);
    for (const key of ["shard/0", "shard/1"] as const) {
      await given.activate(await given.control(a), key, a);
    }
    await mesh.askReshard({ shards: 4 });
    await mesh.acceptLoss();
    assert.equal((await mesh.read()).reshard?.state, "cancelled");
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
          const { sharding } = await mesh.askReshard({ shards });
          await mesh.beginSharding(a, sharding);
        }
      }),
      { numRuns: 10 },
    );
  });
}
