/**
 * Manifests of snapshots, their store and the operator's plan, over every record store.
 */
import assert from "node:assert/strict";
import {
  PlanConflictError,
  StaleControllerError,
  StaleManifestError,
} from "../../../mesh/ports/coordination_errors.ts";
import { a, activate, b, change, type ContractTest, control } from "./coordination_under_test.ts";

export function documentsContract(test: ContractTest): void {
  test("a manifest counts only with the present owners, generation and predecessor", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const epoch = await control(mesh, a);
    await activate(mesh, epoch, "shard/0", a);
    const offer = { name: "m1", after: 0, generation: 0, epochs: { "shard/0": 1, "shard/1": 0 } };
    const first = await mesh.publishManifest(offer);
    assert.deepEqual(first, { name: "m1", sequence: 1 });
    assert.deepEqual(await mesh.publishManifest(offer), first, "a lost answer is given again");
    const refused = (change: object) =>
      mesh.publishManifest({ ...offer, name: "m2", after: 1, ...change });
    await assert.rejects(refused({ after: 0 }), /it follows manifest 0, and the newest is 1/);
    await assert.rejects(refused({ generation: 1 }), StaleManifestError);
    await change(mesh, epoch, "shard/0", { state: "restoring", owner: b });
    await assert.rejects(refused({}), /shard\/0 was written in epoch 1, and its epoch is 2/);
    assert.deepEqual((await mesh.read()).manifest, first);
  });

  test("the first mark of a blob store decides which one the mesh has", async ({ mesh }) => {
    assert.equal(await mesh.markBlobs("m1"), "m1");
    assert.equal(await mesh.markBlobs("m2"), "m1");
    assert.equal((await mesh.read()).identity.blobsMark, "m1");
    await mesh.acceptLoss({ mark: "m2" });
    assert.equal((await mesh.read()).identity.blobsMark, "m2");
    assert.equal(await mesh.markBlobs("m3"), "m2");
  });

  test("older snapshots are forgotten only under the owners of the newest one", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const epoch = await control(mesh, a);
    await activate(mesh, epoch, "trainer/0", a);
    const owners = { generation: 0, epochs: { "trainer/0": 1 } };
    const oldest = async () => (await mesh.read()).oldestSnapshot;
    assert.equal(await oldest(), undefined);
    assert.ok(await mesh.recordOldestSnapshot("s1", owners));
    assert.ok(await mesh.recordOldestSnapshot("s2", owners));
    assert.equal(await mesh.recordOldestSnapshot("s3", { ...owners, generation: 1 }), false);
    await change(mesh, epoch, "trainer/0", { state: "restoring", owner: b });
    assert.equal(await mesh.recordOldestSnapshot("s3", owners), false);
    assert.equal(await oldest(), "s2");
  });

  test("after an accepted loss the mesh keeps what its blob store has", async ({ mesh }) => {
    await mesh.recordOldestSnapshot("s2", { generation: 0, epochs: {} });
    await mesh.acceptLoss({ mark: "m1", newestSnapshot: "s1", examplesFrom: [7, 0] });
    const { oldestSnapshot, examplesFrom } = await mesh.read();
    assert.deepEqual([oldestSnapshot, examplesFrom], ["s1", [7, 0]]);
    await mesh.acceptLoss({ mark: "m2" });
    const later = await mesh.read();
    assert.deepEqual([later.oldestSnapshot, later.examplesFrom], [undefined, undefined]);
  });

  test("a plan is written over the edition and the version that were read", async ({ mesh }) => {
    const { version } = await mesh.read();
    const plan = { moves: [{ key: "shard/1", to: "b" }] };
    const first = await mesh.writePlan({ edition: 0, version }, plan);
    assert.equal(first.edition, 1);
    assert.deepEqual(await mesh.writePlan({ edition: 0, version }, plan), first);
    await assert.rejects(mesh.writePlan({ edition: 0 }, { other: 1 }), PlanConflictError);
    await mesh.join(a);
    await assert.rejects(mesh.writePlan({ edition: 1, version }, {}), /the mesh is at version/);
    await mesh.writePlan({ edition: 1 }, { done: true });
    assert.deepEqual((await mesh.read()).plan, { edition: 2, document: { done: true } });
  });

  test("a controller that another one has replaced ends no plan", async ({ mesh }) => {
    await mesh.join(a);
    const controllerEpoch = await control(mesh, a);
    await mesh.writePlan({ edition: 0 }, { moves: [] });
    const late = { edition: 1, controllerEpoch: controllerEpoch - 1 };
    await assert.rejects(mesh.writePlan(late, { done: true }), StaleControllerError);
    const { edition } = await mesh.writePlan({ edition: 1, controllerEpoch }, { done: true });
    assert.equal(edition, 2);
  });
}
