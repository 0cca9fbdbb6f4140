/**
 * Owners of shards and partitions, and their epochs, over every record store.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type HostRun,
  type Ownership,
  type PlacedKey,
  type Placement,
  RECOVERY_STEP,
} from "../../../mesh/ports/coordination.ts";
import {
  describe,
  HostGoneError,
  IllegalPlacementError,
  OvertakenPlacementError,
  PlacementConflictError,
} from "../../../mesh/ports/coordination_errors.ts";
import {
  a,
  activate,
  b,
  c,
  change,
  type ContractTest,
  control,
  host,
  placementOf,
  run,
} from "./coordination_under_test.ts";

export function placementsContract(test: ContractTest): void {
  test("a shard gets an owner, who says itself when it has restored", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const epoch = await control(mesh, a);
    const restoring = await change(mesh, epoch, "shard/1", { state: "restoring", owner: b });
    assert.deepEqual(restoring, { state: "restoring", owner: run(b), epoch: 1 });
    const report = (by: HostRun) =>
      mesh.place({
        by,
        changes: [{ key: "shard/1", expected: restoring, next: { state: "active", owner: b } }],
      });
    await assert.rejects(report(a), IllegalPlacementError);
    assert.deepEqual((await report(b)).get("shard/1"), {
      state: "active",
      owner: run(b),
      epoch: 1,
    });
  });

  test("owners that are no hosts of the mesh, and leaps over states, are refused", async ({ mesh }) => {
    await mesh.join(a);
    const epoch = await control(mesh, a);
    await assert.rejects(
      change(mesh, epoch, "shard/0", { state: "restoring", owner: c }),
      HostGoneError,
    );
    await assert.rejects(
      change(mesh, epoch, "shard/0", { state: "active", owner: a }),
      /an owner restores before it is active/,
    );
    await activate(mesh, epoch, "shard/0", a);
    await assert.rejects(
      change(mesh, epoch, "shard/0", {
        state: "moving",
        owner: a,
        target: a,
        phase: "filling",
      }),
      /a move needs another host/,
    );
    assert.equal((await placementOf(mesh, "shard/0")).epoch, 1);
  });

  test("a controller's step that an operator's command has overtaken is refused", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const controllerEpoch = await control(mesh, a);
    const restored = (owner: HostRun, planEdition: number) =>
      mesh.place({
        by: { controllerEpoch, planEdition },
        changes: [{
          key: "shard/0",
          expected: { state: "unassigned", epoch: 0 },
          next: { state: "restoring", owner },
        }],
      });
    await mesh.writePlan({ edition: 0 }, { moves: [] });
    await assert.rejects(restored(a, 0), OvertakenPlacementError);
    await mesh.setHostState("a", "draining");
    await assert.rejects(restored(a, 1), OvertakenPlacementError);
    assert.equal((await placementOf(mesh, "shard/0")).epoch, 0);
    await restored(b, 1);
    assert.equal((await placementOf(mesh, "shard/0")).epoch, 1);
  });

  test("changes are made together or not at all", async ({ mesh }) => {
    await mesh.join(a);
    const epoch = await control(mesh, a);
    const unassigned: Placement = { state: "unassigned", epoch: 0 };
    const to = { state: "restoring", owner: run(a) } as const;
    const before = await mesh.read();
    const command = (expected: Placement) =>
      mesh.place({
        by: { controllerEpoch: epoch, planEdition: 0 },
        changes: [{ key: "shard/0", expected: unassigned, next: to }, {
          key: "trainer/1",
          expected,
          next: to,
        }],
        rewind: true,
      });
    const conflict = await command({ state: "unassigned", epoch: 5 }).catch((error) => error);
    assert.ok(conflict instanceof PlacementConflictError);
    assert.match(
      conflict.message,
      /trainer\/1 is unassigned in epoch 0, not unassigned in epoch 5/,
    );
    assert.deepEqual((await mesh.read()).placements, before.placements);
    const placed = await command(unassigned);
    assert.deepEqual([...placed.keys()], ["shard/0", "trainer/1"]);
    const after = await mesh.read();
    assert.deepEqual([after.generation, after.version], [1, before.version + 1]);
    assert.deepEqual(await command(unassigned), placed, "a lost answer is given again");
    assert.equal((await mesh.read()).generation, 1, "and the mesh goes back once");
  });

  test("after accepted loss every epoch is beyond what can have been lost", async ({ mesh }) => {
    await mesh.join(a);
    const epoch = await control(mesh, a);
    await activate(mesh, epoch, "shard/2", a);
    const before = await mesh.read();
    await mesh.acceptLoss({ mark: "m0" });
    const after = await mesh.read();
    assert.ok(after.revision >= before.revision + RECOVERY_STEP);
    assert.equal(after.version, before.version + RECOVERY_STEP);
    assert.equal(after.generation, RECOVERY_STEP);
    assert.deepEqual(after.placements.get("shard/2"), {
      state: "unassigned",
      epoch: 1 + RECOVERY_STEP,
    });
    assert.equal(await control(mesh, a), epoch + RECOVERY_STEP + 1);
  });

  test("whatever several processes ask for, epochs only grow and owners are hosts", async ({ mesh, another }) => {
    const processes = [await another(), await another()];
    const runs = [a, b, host("a", "a-2")];
    const command = fc.record({
      process: fc.nat(1),
      kind: fc.constantFrom("join", "leave", "acquire", "restore", "activate", "move", "step"),
      run: fc.nat(2),
      other: fc.nat(2),
      shard: fc.nat(1),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 25 }), async (commands) => {
        let last = await mesh.read();
        const obey = async (each: (typeof commands)[number]) => {
          const coordination = processes[each.process];
          const [one, two] = [runs[each.run], runs[each.other]];
          const key: PlacedKey = `shard/${each.shard}`;
          const { control, placements } = await coordination.read();
          const expected = placements.get(key)!;
          const by = { controllerEpoch: control?.epoch ?? 0, planEdition: 0 };
          const to = (next: Ownership) =>
            coordination.place({ by, changes: [{ key, expected, next }] });
          if (each.kind === "join") return await coordination.join(one);
          if (each.kind === "leave") return await coordination.leave(one);
          if (each.kind === "acquire") return await coordination.acquireControl(one);
          if (each.kind === "restore") return await to({ state: "restoring", owner: one });
          if (each.kind === "activate") return await to({ state: "active", owner: one });
          if (each.kind === "move") {
            return await to({ state: "moving", owner: one, target: two, phase: "filling" });
          }
          if (expected.state !== "moving") return;
          if (expected.phase === "filling") return await to({ ...expected, phase: "frozen" });
          const next = { state: "active", owner: expected.target } as const;
          await coordination.place({ by: expected.target, changes: [{ key, expected, next }] });
        };
        // Pairs of commands run at the same time.
        for (let i = 0; i < commands.length; i += 2) {
          const outcomes = await Promise.allSettled(commands.slice(i, i + 2).map(obey));
          for (const outcome of outcomes) {
            if (outcome.status === "fulfilled") continue;
            const { name } = outcome.reason;
            assert.match(
              name,
              /^(HostGone|StaleController|PlacementConflict|IllegalPlacement)Error$/,
            );
          }
          const view = await mesh.read();
          for (const [key, now] of view.placements) {
            const before = last.placements.get(key)!;
            const isSameOwner = now.state !== "unassigned" && before.state !== "unassigned" &&
              now.owner.incarnation === before.owner.incarnation;
            assert.ok(now.epoch >= before.epoch, `${describe(before)} then ${describe(now)}`);
            const isOwnerNew = now.state !== "unassigned" && before.state !== "unassigned" &&
              !isSameOwner;
            assert.ok(!isOwnerNew || now.epoch > before.epoch, "a new owner has a new epoch");
          }
          assert.ok(view.version >= last.version && view.revision >= last.revision);
          assert.ok((view.control?.epoch ?? 0) >= (last.control?.epoch ?? 0));
          last = view;
        }
      }),
      { numRuns: 25 },
    );
  });
}
