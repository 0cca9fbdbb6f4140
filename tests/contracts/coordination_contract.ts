/**
 * The promises of coordination over every record store; the test of each adapter runs them.
 *
 * Leases of length 0 are expired at once, so no case waits for a clock.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Coordination,
  type HostDescription,
  type HostRun,
  type MeshSettings,
  type Ownership,
  type PlacedKey,
  type Placement,
  RECOVERY_STEP,
} from "../../mesh/ports/coordination.ts";
import {
  describe,
  HostGoneError,
  IllegalPlacementError,
  MeshMismatchError,
  PlacementConflictError,
  PlanConflictError,
  ProtocolMismatchError,
  StaleControllerError,
  StaleManifestError,
  UnknownHostError,
} from "../../mesh/ports/coordination_errors.ts";
import type { RecordStore } from "../../mesh/ports/record_store.ts";
import { Coordinator } from "../../mesh/runtime/coordination/coordinator.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import { reshardContract } from "./reshard_contract.ts";

export interface CoordinationUnderTest {
  /** A connection to the mesh's one store; several stand for several processes. */
  connect(): Promise<RecordStore>;
  dispose(): Promise<void>;
}

const settings: MeshSettings = {
  shards: 4,
  eventPartitions: 2,
  examplePartitions: 2,
  trainers: 2,
  schema: "s1",
};
const hour = 3_600_000;

const host = (name: string, incarnation = `${name}-1`): HostDescription => ({
  host: name,
  incarnation,
  address: `tcp://${name}:7400`,
  roles: ["shards"],
  capacityBytes: 1e9,
  trainerThreads: 0,
  version: "1.0.0",
  protocols: [1, 2],
});
const run = ({ host, incarnation }: HostRun): HostRun => ({ host, incarnation });

export function coordinationContract(
  adapter: string,
  open: () => Promise<CoordinationUnderTest>,
): void {
  let seed = 1;
  interface Given {
    /** Leases of an hour. */
    readonly mesh: Coordination;
    /** The same mesh, seen by a process whose leases are expired as soon as they are made. */
    readonly brief: Coordination;
    another(): Promise<Coordination>;
    store(): Promise<RecordStore>;
  }
  const test = (name: string, body: (given: Given) => Promise<void>) =>
    Deno.test(`${adapter}: ${name}`, async () => {
      const { connect, dispose } = await open();
      const stores: RecordStore[] = [];
      const store = async () => {
        stores.push(await connect());
        return stores[stores.length - 1];
      };
      const coordinator = async (ttlMs: number) =>
        new Coordinator({
          store: await store(),
          random: new SeededRandom(seed++),
          protocol: 1,
          hostTtlMs: ttlMs,
          controlTtlMs: ttlMs,
        });
      try {
        const mesh = await coordinator(hour);
        await mesh.open(settings);
        const brief = await coordinator(0);
        await body({ mesh, brief, another: () => coordinator(hour), store });
      } finally {
        for (const each of stores) await each.close();
        await dispose();
      }
    });

  const control = async (mesh: Coordination, by: HostRun) => {
    const turn = await mesh.acquireControl(by);
    assert.ok(turn.kind === "controls", `${by.host} became the controller`);
    return turn.control.epoch;
  };
  const placementOf = async (mesh: Coordination, key: PlacedKey): Promise<Placement> => {
    const found = (await mesh.read()).placements.get(key);
    assert.ok(found, `${key} is in the view`);
    return found;
  };
  /** Makes one change by the controller, from the present placement. */
  const change = async (mesh: Coordination, epoch: number, key: PlacedKey, next: Ownership) => {
    const expected = await placementOf(mesh, key);
    const placed = await mesh.place({
      by: { controllerEpoch: epoch },
      changes: [{ key, expected, next }],
    });
    return placed.get(key)!;
  };
  const [a, b, c] = [host("a"), host("b"), host("c")];
  const activate = async (mesh: Coordination, epoch: number, key: PlacedKey, owner: HostRun) => {
    await change(mesh, epoch, key, { state: "restoring", owner });
    return await change(mesh, epoch, key, { state: "active", owner });
  };

  reshardContract((name, body) =>
    test(name, ({ mesh, brief }) =>
      body({
        mesh,
        brief,
        control: (host) => control(mesh, host),
        activate: (epoch, key, owner) => activate(mesh, epoch, key, owner),
      })), host);

  test("a mesh is created once, and other settings are refused by name", async ({ mesh, another }) => {
    const first = await mesh.open(settings);
    const other = await another();
    assert.deepEqual(await other.open({ ...settings }), first);
    const refused = await other.open({ ...settings, eventPartitions: 8 }).catch((error) => error);
    assert.ok(refused instanceof MeshMismatchError);
    assert.match(
      refused.message,
      /created with joiner.partitions 2, and the configuration asks for 8/,
    );
    await assert.rejects(other.open({ ...settings, schema: "s2" }), MeshMismatchError);
  });

  test("a new mesh has every shard and partition, without an owner", async ({ mesh }) => {
    const view = await mesh.read();
    assert.deepEqual([...view.placements.keys()].sort(), [
      "events/0",
      "events/1",
      "shard/0",
      "shard/1",
      "shard/2",
      "shard/3",
      "trainer/0",
      "trainer/1",
    ]);
    for (const each of view.placements.values()) {
      assert.deepEqual(each, { state: "unassigned", epoch: 0 });
    }
    assert.equal(view.hosts.size, 0);
    assert.equal(view.generation, 0);
  });

  test("a host whose file has other numbers of shards and trainers gets those of the mesh", async ({ mesh }) => {
    const opened = await mesh.open({ ...settings, shards: 9, trainers: 1 });
    assert.deepEqual([opened.shards, opened.trainers], [4, 2]);
    assert.deepEqual([opened.sharding, opened.dealing], [0, 0]);
  });

  test("a host joins, renews and leaves", async ({ mesh }) => {
    const lease = await mesh.join(a);
    assert.deepEqual([lease.ttlMs, lease.state], [hour, "up"]);
    const before = await mesh.read();
    await mesh.renew(a, { rows: 7 });
    const view = await mesh.read();
    assert.equal(view.version, before.version, "a renewal is no change of the placement");
    assert.equal(view.revision, before.revision, "and wakes no watcher");
    const record = view.hosts.get("a")!;
    assert.equal(record.address, a.address);
    assert.deepEqual(record.load, { rows: 7 });
    assert.ok(record.expiresMs > view.nowMs);
    await mesh.leave(a);
    await mesh.leave(a);
    assert.equal((await mesh.read()).hosts.size, 0);
    await assert.rejects(mesh.renew(a), HostGoneError);
  });

  test("a new run of a host replaces the earlier one, which learns that it must stop", async ({ mesh }) => {
    await mesh.join(a);
    await mesh.join(host("a", "a-2"));
    const gone = await mesh.renew(a).catch((error) => error);
    assert.ok(gone instanceof HostGoneError);
    assert.match(gone.message, /Another process at tcp:\/\/a:7400 has joined as host "a"/);
    await mesh.leave(a);
    assert.equal((await mesh.read()).hosts.get("a")!.incarnation, "a-2", "the new run stays");
  });

  test("a host of another protocol is refused, and the protocol only rises", async ({ mesh }) => {
    await assert.rejects(mesh.join({ ...a, protocols: [2, 3] }), ProtocolMismatchError);
    await mesh.join(a);
    assert.equal((await mesh.raiseProtocol(2)).protocol, 2);
    assert.equal((await mesh.raiseProtocol(1)).protocol, 2);
    await assert.rejects(
      mesh.join({ ...b, protocols: [1, 1] }),
      /speaks protocol 2.*a newer version/,
    );
  });

  test("a drain stays through a restart until an operator ends it", async ({ mesh }) => {
    await mesh.join(a);
    await mesh.setHostState("a", "draining");
    assert.equal((await mesh.join(host("a", "a-2"))).state, "draining");
    await mesh.setHostState("a", "up");
    assert.equal((await mesh.renew(host("a", "a-2"))).state, "up");
    await assert.rejects(mesh.setHostState("z", "draining"), (error: Error) => {
      assert.ok(error instanceof UnknownHostError);
      assert.match(error.message, /no host "z"; the mesh has a/);
      return true;
    });
  });

  test("a host is removed only after its lease has expired", async ({ mesh, brief }) => {
    await mesh.join(a);
    await brief.join(b);
    const epoch = await control(mesh, a);
    assert.equal(await mesh.removeExpired(epoch, a), false);
    assert.equal(await mesh.removeExpired(epoch, b), true);
    assert.equal(await mesh.removeExpired(epoch, b), true, "once more is no error");
    assert.deepEqual([...(await mesh.read()).hosts.keys()], ["a"]);
    await assert.rejects(brief.renew(b), /was removed from the mesh/);
  });

  test("a host whose lease has expired may renew it until it is removed", async ({ mesh, brief }) => {
    await brief.join(a);
    await mesh.renew(a);
    const view = await mesh.read();
    assert.ok(view.hosts.get("a")!.expiresMs > view.nowMs);
  });

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

  test("a live move ends with the target as owner in the next epoch", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const epoch = await control(mesh, a);
    await activate(mesh, epoch, "shard/0", a);
    const move = { state: "moving", owner: run(a), target: run(b) } as const;
    const filling = await change(mesh, epoch, "shard/0", { ...move, phase: "filling" });
    await assert.rejects(
      change(mesh, epoch, "shard/0", { state: "active", owner: b }),
      /the target has not verified its copy/,
    );
    const report = async (by: HostRun, expected: Placement, phase: "frozen" | "verified") =>
      (await mesh.place({
        by,
        changes: [{ key: "shard/0", expected, next: { ...move, phase } }],
      })).get("shard/0")!;
    await assert.rejects(report(b, filling, "frozen"), /"a" says when it is frozen/);
    const frozen = await report(a, filling, "frozen");
    const verified = await report(b, frozen, "verified");
    assert.deepEqual([filling.epoch, frozen.epoch, verified.epoch], [1, 1, 1]);
    const moved = await change(mesh, epoch, "shard/0", { state: "active", owner: b });
    assert.deepEqual(moved, { state: "active", owner: run(b), epoch: 2 });
  });

  test("an aborted move leaves owner and epoch as they were", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const epoch = await control(mesh, a);
    const before = await activate(mesh, epoch, "shard/0", a);
    const move = { state: "moving", owner: run(a), target: run(b) } as const;
    await change(mesh, epoch, "shard/0", { ...move, phase: "filling" });
    await change(mesh, epoch, "shard/0", { ...move, phase: "frozen" });
    assert.deepEqual(await change(mesh, epoch, "shard/0", { state: "active", owner: a }), before);
  });

  test("the store remembers since when a part is where it is, and its last move", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const epoch = await control(mesh, a);
    assert.deepEqual(await mesh.history("shard/0"), {});
    await activate(mesh, epoch, "shard/0", a);
    const { sinceMs = 0 } = await mesh.history("shard/0");
    const { nowMs } = await mesh.read();
    assert.ok(sinceMs > 0 && sinceMs <= nowMs);
    const placement = (await mesh.read()).placements.get("shard/0")!;
    const filling = { state: "moving", owner: run(a), target: run(b), phase: "filling" } as const;
    const [moving] = (await mesh.place({
      by: { controllerEpoch: epoch },
      changes: [{ key: "shard/0", expected: placement, next: filling, reason: "a drains" }],
    })).values();
    await mesh.place({
      by: run(a),
      changes: [{
        key: "shard/0",
        expected: moving,
        next: { state: "active", owner: run(a) },
        reason: "it was frozen for too long",
      }],
    });
    const { sinceMs: after, last } = await mesh.history("shard/0");
    assert.equal(after, sinceMs);
    const { atMs, endedMs, ...rest } = last!;
    assert.ok(atMs >= sinceMs && endedMs! >= atMs);
    assert.deepEqual(rest, {
      from: "a",
      to: "b",
      reason: "a drains",
      outcome: "aborted",
      why: "it was frozen for too long",
    });
  });

  test("an owner aborts its own move, and an abort and a commit exclude each other", async ({ mesh }) => {
    for (const each of [a, b]) await mesh.join(each);
    const epoch = await control(mesh, a);
    const before = await activate(mesh, epoch, "shard/0", a);
    const move = { state: "moving", owner: run(a), target: run(b) } as const;
    const abort = (by: HostRun, expected: Placement) =>
      mesh.place({
        by,
        changes: [{ key: "shard/0", expected, next: { state: "active", owner: run(a) } }],
      });
    for (let i = 0; i < 8; i++) {
      const filling = await change(mesh, epoch, "shard/0", { ...move, phase: "filling" });
      await assert.rejects(abort(run(b), filling), /only the owner aborts its own move/);
      await change(mesh, epoch, "shard/0", { ...move, phase: "frozen" });
      const verified = await change(mesh, epoch, "shard/0", { ...move, phase: "verified" });
      const commit = () =>
        mesh.place({
          by: { controllerEpoch: epoch },
          changes: [{
            key: "shard/0",
            expected: verified,
            next: { state: "active", owner: run(b) },
          }],
        });
      const [first, second] = await Promise.allSettled(
        i % 2 === 0 ? [abort(run(a), verified), commit()] : [commit(), abort(run(a), verified)],
      );
      const outcomes = [first, second].map((each) =>
        each.status === "fulfilled" ? "made" : each.reason.name
      );
      assert.deepEqual(outcomes.toSorted(), ["PlacementConflictError", "made"]);
      const now = (await mesh.read()).placements.get("shard/0");
      if (now?.state === "active" && now.owner.host === "a") assert.deepEqual(now, before);
      else {
        assert.deepEqual(now, { state: "active", owner: run(b), epoch: before.epoch + 1 });
        return;
      }
    }
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

  test("changes are made together or not at all", async ({ mesh }) => {
    await mesh.join(a);
    const epoch = await control(mesh, a);
    const unassigned: Placement = { state: "unassigned", epoch: 0 };
    const to = { state: "restoring", owner: run(a) } as const;
    const before = await mesh.read();
    const command = (expected: Placement) =>
      mesh.place({
        by: { controllerEpoch: epoch },
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

  test("a watcher wakes for a change of another process", async ({ mesh, another }) => {
    const other = await another();
    const { revision } = await mesh.read();
    assert.equal(await mesh.watch(revision, 1), revision, "nothing happened");
    const woken = mesh.watch(revision, hour);
    await other.join(a);
    const now = await woken;
    assert.ok(now > revision);
    assert.equal(await mesh.watch(revision, hour), now, "it is told of what it missed");
  });

  test("a closed store ends its waits", async ({ mesh, store }) => {
    const { revision } = await mesh.read();
    const own = await store();
    const waiting = own.watch(revision, hour);
    await own.close();
    assert.ok(await waiting <= revision);
  });

  test("after accepted loss every epoch is beyond what can have been lost", async ({ mesh }) => {
    await mesh.join(a);
    const epoch = await control(mesh, a);
    await activate(mesh, epoch, "shard/2", a);
    const before = await mesh.read();
    await mesh.acceptLoss();
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
          const by = { controllerEpoch: control?.epoch ?? 0 };
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
          const phase = expected.phase === "filling" ? "frozen" : "verified";
          await to({ ...expected, phase });
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
