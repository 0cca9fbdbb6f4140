/**
 * The controller of a mesh, of which there is one, over every record store.
 */
import assert from "node:assert/strict";
import { HostGoneError, StaleControllerError } from "../../../mesh/ports/coordination_errors.ts";
import { a, b, c, change, type ContractTest, control, host } from "./coordination_under_test.ts";

export function controllersContract(test: ContractTest): void {
  test("one host is the controller, and each new controller has a higher epoch", async ({ mesh, brief }) => {
    for (const each of [a, b]) await mesh.join(each);
    const first = await control(mesh, a);
    const turn = await mesh.acquireControl(b);
    assert.ok(turn.kind === "standby", "it is held");
    const { control: held, nowMs } = await mesh.read();
    assert.ok(held!.expiresMs - turn.leftMs <= nowMs, "the lease is held for `leftMs` from now");
    assert.ok(turn.leftMs > 0);
    assert.equal(await control(mesh, a), first, "a renewal keeps the epoch");
    await mesh.releaseControl(first);
    const second = await control(brief, b);
    assert.equal(second, first + 1);
    const third = await control(mesh, a);
    assert.equal(third, second + 1, "an expired lease is taken over");
    await assert.rejects(mesh.acquireControl(c), HostGoneError);
    await mesh.releaseControl(second);
    assert.equal((await mesh.read()).control!.epoch, third, "a late release changes nothing");
    assert.equal((await mesh.acquireControl(b)).kind, "standby");
  });

  test("a controller that starts again or leaves does not keep the others waiting", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const first = await control(mesh, a);
    await mesh.join({ ...a, incarnation: "another" });
    const second = await control(mesh, b);
    assert.equal(second, first + 1);
    await mesh.leave(b);
    const third = await control(mesh, { ...a, incarnation: "another" });
    assert.equal(third, second + 1);
  });

  test("of many hosts that ask at once, one becomes the controller", async ({ mesh, another }) => {
    const processes = await Promise.all(Array.from({ length: 8 }, () => another()));
    await Promise.all(processes.map((each, i) => each.join(host(`h${i}`))));
    const answers = await Promise.all(
      processes.map((each, i) => each.acquireControl(host(`h${i}`))),
    );
    const held = answers.filter((each) => each.kind === "controls");
    assert.equal(held.length, 1);
    assert.deepEqual((await mesh.read()).control, held[0].control);
    assert.equal((await mesh.read()).hosts.size, 8);
  });

  test("a controller that was replaced changes nothing", async ({ mesh, brief }) => {
    for (const each of [a, b]) await mesh.join(each);
    const stale = await control(brief, a);
    const epoch = await control(mesh, b);
    const before = await mesh.read();
    const stop = (error: Error) => error instanceof StaleControllerError;
    await assert.rejects(change(mesh, stale, "shard/0", { state: "restoring", owner: a }), stop);
    await assert.rejects(mesh.removeExpired(stale, a), stop);
    assert.deepEqual((await mesh.read()).placements, before.placements);
    await change(mesh, epoch, "shard/0", { state: "restoring", owner: a });
  });
}
