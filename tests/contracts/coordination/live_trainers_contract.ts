/** The promises of a change of the number of trainers over every record store. */
import assert from "node:assert/strict";
import type { HostDescription, PlacedKey, Placement } from "../../../mesh/ports/coordination.ts";
import { RECOVERY_STEP } from "../../../mesh/ports/coordination.ts";
import {
  StaleControllerError,
  StaleManifestError,
} from "../../../mesh/ports/coordination_errors.ts";
import { reshardStep } from "../../../mesh/ports/reshard_progress.ts";
import { type ReshardRecord } from "../../../mesh/ports/resharding.ts";
import { present } from "../../../structures/invariant.ts";
import { hostOf, ready, refusal, type ReshardTest } from "./reshard_given.ts";

export function liveTrainersContract(
  test: ReshardTest,
  host: (name: string) => HostDescription,
): void {
  const a = hostOf(host);

  test("a change of trainers gives all of them up under one epoch, and leaves the shards alone", async (given) => {
    const epoch = await ready(given, a);
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
    await ready(given, a);
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
    assert.match(
      await ask(1),
      /number of trainers stays .*no host with the role trainer.* is up; start one/,
    );
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

  test("an accepted loss gives the trainers of every dealing later epochs", async (given) => {
    await ready(given, a);
    const { mesh } = given;
    await mesh.beginReshard(a, await mesh.askReshard({ parts: "trainers", to: 1 }));
    const before = (await mesh.read()).placements.get("trainer/0")?.epoch ?? 0;
    await mesh.acceptLoss({ mark: "m0" });
    assert.equal((await mesh.read()).identity.dealing, 1 + RECOVERY_STEP);
    await mesh.join(a);
    await given.activate(await given.control(a), "trainer/0", a);
    await mesh.beginReshard(a, await mesh.askReshard({ parts: "trainers", to: 2 }));
    const { placements } = await mesh.read();
    for (const key of ["trainer/0", "trainer/1"] as const) {
      assert.ok((placements.get(key)?.epoch ?? 0) > before + RECOVERY_STEP);
    }
  });

  test("a change that was seen at its end is done, whatever is restored afterwards", async (given) => {
    await ready(given, a);
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
      by: { controllerEpoch: await control(a), planEdition: 0 },
      changes: [{ key: "trainer/0", expected, next: { state: "restoring", owner: a } }],
    });
    assert.deepEqual(reshardStep(await mesh.read()), { kind: "done" });
    assert.equal((await mesh.askReshard({ parts: "trainers", to: 2 })).division, 2);
  });

  test("an override changes the trainers before the change before is done, in later epochs", async (given) => {
    await ready(given, a);
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
}
