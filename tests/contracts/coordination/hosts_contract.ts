/**
 * Creation of a mesh, and its hosts' leases and drains, over every record store.
 */
import assert from "node:assert/strict";
import type { Coordination, HostRecord } from "../../../mesh/ports/coordination.ts";
import {
  HostGoneError,
  MeshMismatchError,
  ProtocolMismatchError,
  SilentHostsError,
  UnknownHostError,
} from "../../../mesh/ports/coordination_errors.ts";
import {
  a,
  b,
  type ContractTest,
  control,
  host,
  HOUR_MS,
  settings,
} from "./coordination_under_test.ts";

/** The terms of a host whose file has other features. */
const changed = { configuration: { features: "f2" } };

/** The refusal of other features for hosts that are silent. */
async function silence(mesh: Coordination): Promise<SilentHostsError> {
  const error = await mesh.open({ ...settings, ...changed }).catch((error) => error);
  assert.ok(error instanceof SilentHostsError, String(error));
  assert.equal(error.waitMs, HOUR_MS);
  return error;
}

/** The features of each host of the mesh. */
async function featuresIn(mesh: Coordination): Promise<Record<string, string | undefined>> {
  const { hosts } = await mesh.read();
  return Object.fromEntries(
    [...hosts].map(([name, { configuration }]) => [name, configuration.features]),
  );
}

export function hostsContract(test: ContractTest): void {
  test("a mesh is created once, and other features are refused while a host runs", async ({ mesh, another }) => {
    const first = await mesh.open(settings);
    const other = await another();
    assert.deepEqual(await other.open({ ...settings }), first);
    await mesh.join(a);
    await mesh.join(b);
    const refused = await other.open({ ...settings, ...changed }).catch((error) => error);
    assert.ok(refused instanceof MeshMismatchError);
    assert.match(
      refused.message,
      /other sections than those of the mesh, of which a, b run: features\. .*stop all/,
    );
    const joined = { ...first, protocol: 1 };
    assert.deepEqual((await mesh.read()).identity, joined);
    // The mesh keeps its own numbers of parts, whatever the files of its hosts say.
    assert.deepEqual(await other.open({ ...settings, eventPartitions: 8, trainers: 1 }), joined);
  });

  test("a mesh whose hosts have stopped or are lost takes other features", async ({ mesh, brief, another }) => {
    const first = await mesh.open(settings);
    await mesh.join(a);
    await mesh.leave(a);
    await brief.join(b);
    const other = await another();
    const { hosts } = await silence(other);
    assert.deepEqual(hosts.map((each) => each.host), ["b"]);
    const joined = { ...first, protocol: 1 };
    assert.deepEqual(await other.open({ ...settings, ...changed }, hosts), joined);
    await other.join({ ...a, ...changed });
    assert.deepEqual((await mesh.read()).identity, joined);
    await assert.rejects(mesh.open(settings), MeshMismatchError);
  });

  test("a host that comes back while a host with other features waits for it keeps the mesh", async ({ mesh, brief, another }) => {
    await brief.join(a);
    const other = await another();
    const { hosts } = await silence(other);
    await mesh.renew(a);
    await assert.rejects(other.open({ ...settings, ...changed }, hosts), MeshMismatchError);
    assert.deepEqual(await featuresIn(mesh), { a: undefined });
  });

  test("a host with other features waits for no silent host where another host runs", async ({ mesh, brief, another }) => {
    await mesh.join(a);
    await brief.join(b);
    const other = await another();
    await assert.rejects(other.open({ ...settings, ...changed }), MeshMismatchError);
  });

  test("a host that opened the mesh before other features came does not join beside it", async ({ mesh, another }) => {
    const other = await another();
    await other.open({ ...settings, ...changed });
    await other.join({ ...b, ...changed });
    const refused = await mesh.join(a).catch((error) => error);
    assert.ok(refused instanceof MeshMismatchError);
    assert.match(refused.message, /of which b runs: features\./);
    assert.deepEqual(await featuresIn(mesh), { b: "f2" });
  });

  test("of two hosts that open a mesh with other features, the first one to join decides", async ({ mesh, another }) => {
    const other = await another();
    await other.open({ ...settings, ...changed });
    await mesh.join(a);
    await assert.rejects(other.join({ ...b, ...changed }), MeshMismatchError);
    // The only host, started again with the other file while its lease runs.
    await other.join({ ...host("a", "a-2"), ...changed });
    await assert.rejects(mesh.renew(a), HostGoneError);
    assert.deepEqual(await featuresIn(mesh), { a: "f2" });
  });

  test("a host whose lease expired before other features came is not a host any more", async ({ mesh, brief, another }) => {
    await brief.join(a);
    await control(brief, a);
    const { version } = await mesh.read();
    const other = await another();
    await other.open({ ...settings, ...changed }, (await silence(other)).hosts);
    await assert.rejects(mesh.renew(a), HostGoneError);
    await assert.rejects(mesh.acquireControl(a), HostGoneError);
    assert.ok((await mesh.read()).version > version, "its shards are given to others");
  });

  test("a host joins only with a secret that it shares with each host that runs", async ({ mesh }) => {
    const joins = (name: string, ...secrets: string[]) => mesh.join({ ...host(name), secrets });
    const opens = (...secrets: string[]) => mesh.open({ ...settings, secrets });
    await opens("old");
    await joins("a", "old");
    await joins("b", "old");
    for (const refused of [() => opens("other"), () => joins("c", "other"), () => joins("c")]) {
      const error = await refused().catch((error) => error);
      assert.ok(error instanceof MeshMismatchError);
      assert.match(
        error.message,
        /mesh\.secret of this host .* of which a, b run\. Give this host/,
      );
    }
    assert.deepEqual([...(await mesh.read()).hosts.keys()], ["a", "b"]);
    // One host after another takes the new secret, and a host that has not is started again.
    await joins("a", "new", "old");
    await assert.rejects(joins("c", "new"), /of which b runs\./);
    await joins("b", "old");
    await joins("b", "new", "old");
    await joins("a", "new");
    await joins("c", "new", "old");
    await joins("b", "new");
    await assert.rejects(joins("a", "old"), /of which b runs\./);
  });

  test("a mesh whose hosts have stopped or are lost takes another secret", async ({ mesh, brief, another }) => {
    await brief.join({ ...a, secrets: ["old"] });
    await mesh.join({ ...b, secrets: ["old", "new"] });
    const other = await another();
    const opens = (silent?: readonly HostRecord[]) =>
      other.open({ ...settings, secrets: ["new"] }, silent);
    // It may have been cut off, so it gets the time to come back.
    const silent = await opens().catch((error) => error);
    assert.ok(silent instanceof SilentHostsError);
    assert.match(silent.message, /mesh\.secret .* of which a was killed or is cut off/);
    assert.deepEqual([...(await mesh.read()).hosts.keys()], ["a", "b"]);
    await opens(silent.hosts);
    await assert.rejects(mesh.renew(a), HostGoneError);
    assert.deepEqual([...(await mesh.read()).hosts.keys()], ["b"], "this one fits");
  });

  test("a host joins only where each section of its file fits the hosts that run", async ({ mesh, brief }) => {
    const joins = (name: string, configuration: Record<string, string>, at = mesh) =>
      at.join({ ...host(name), configuration });
    await joins("a", { model: "m1", "joiner.tasks": "t1", "mesh.hosts.edge": "e1" });
    const fitting = { model: "m1", "joiner.tasks": "t1" };
    await joins("b", { ...fitting, "mesh.hosts.new": "n1" });
    const [model, tasks] = [{ ...fitting, model: "m2" }, { ...fitting, "joiner.tasks": "t2" }];
    for (
      const [configuration, said] of [
        [model, /of which a, b run: model\. .* stop all hosts/],
        [{ ...tasks, model: "m2" }, /of which a, b run: joiner\.tasks, model\./],
        [{ ...fitting, "mesh.hosts.edge": "e2" }, /of which a runs: mesh\.hosts\.edge\./],
      ] as const
    ) {
      await assert.rejects(joins("c", configuration), said);
      await assert.rejects(mesh.open({ ...settings, configuration }), said);
      assert.deepEqual([...(await mesh.read()).hosts.keys()], ["a", "b"]);
    }
    await mesh.leave(b);
    await joins("a", model, brief);
    const silent = await mesh.open({ ...settings, configuration: tasks }).catch((error) => error);
    assert.ok(silent instanceof SilentHostsError);
    assert.match(silent.message, /of which a was killed or is cut off: joiner\.tasks, model\./);
    await mesh.open({ ...settings, configuration: tasks }, silent.hosts);
    await joins("c", tasks);
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
    assert.deepEqual([lease.ttlMs, lease.state], [HOUR_MS, "up"]);
    const before = await mesh.read();
    const unplaced = { "trainer/0": "examples are lost" };
    const unlinked = [{ host: "z", incarnation: "z-1" }];
    const refusal = "the log is full";
    await mesh.renew(a, { load: { rows: 7 }, unplaced, unlinked, refusal });
    const view = await mesh.read();
    assert.equal(view.version, before.version, "a renewal is no change of the placement");
    assert.equal(view.revision, before.revision, "and wakes no watcher");
    const record = view.hosts.get("a")!;
    assert.equal(record.address, a.address);
    assert.deepEqual([record.load, record.unplaced], [{ rows: 7 }, unplaced]);
    await mesh.renew(a);
    const told = async () => {
      const { unplaced, unlinked, refusal } = (await mesh.read()).hosts.get("a")!;
      return { unplaced, unlinked, ...(refusal !== undefined && { refusal }) };
    };
    assert.deepEqual(await told(), { unplaced, unlinked, refusal });
    await mesh.renew(a, { load: {} });
    assert.deepEqual(await told(), { unplaced: {}, unlinked: [] }, "it has begun");
    await mesh.renew(a, { load: {}, unlinked });
    await mesh.join(a);
    assert.deepEqual(await told(), { unplaced: {}, unlinked: [] });
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

  test("a mesh is upgraded host by host from one protocol to the next", async ({ mesh }) => {
    const old = [1, 1] as const, both = [1, 2] as const, next = [2, 2] as const;
    type Build = typeof old | typeof both | typeof next;
    const joins = (name: string, protocols: Build) => mesh.join({ ...host(name), protocols });
    const opens = (protocols: Build) => mesh.open({ ...settings, protocols });
    const protocol = async () => (await mesh.read()).identity.protocol;
    await joins("a", old);
    await joins("b", both);
    assert.equal(await protocol(), 1);
    for (const refused of [() => opens(next), () => joins("c", next)]) {
      const error = await refused().catch((error) => error);
      assert.ok(error instanceof MeshMismatchError);
      assert.match(
        error.message,
        /protocol 2, is too new for hosts of the mesh, of which a \(protocol 1\) runs\. Upgrade all/,
      );
    }
    await joins("a", both);
    assert.equal(await protocol(), 1, "a host may go back to the version before");
    await joins("a", old);
    await joins("a", both);

    await opens(next);
    assert.equal(await protocol(), 1, "its start may fail until it joins");
    await joins("c", next);
    assert.equal(await protocol(), 2);
    for (const refused of [() => opens(old), () => joins("a", old), () => joins("d", old)]) {
      const error = await refused().catch((error) => error);
      assert.ok(error instanceof ProtocolMismatchError);
      assert.match(error.message, /speaks protocol 2.* none above 1\. Run a newer version/);
    }
    await joins("a", both);
    await mesh.leave(host("c"));
    await assert.rejects(joins("d", old), ProtocolMismatchError, "it is never lowered");
  });

  test("a mesh whose hosts have stopped or are lost takes a later protocol", async ({ mesh, brief }) => {
    await brief.join({ ...a, protocols: [1, 1] });
    const opens = (silent?: readonly HostRecord[]) =>
      mesh.open({ ...settings, protocols: [2, 3] }, silent);
    const silent = await opens().catch((error) => error);
    assert.ok(silent instanceof SilentHostsError);
    assert.match(
      silent.message,
      /protocol 2 to 3, is too new .* of which a \(protocol 1\) was killed or is cut off/,
    );
    await opens(silent.hosts);
    await assert.rejects(mesh.renew(a), HostGoneError);
    assert.equal((await mesh.read()).identity.protocol, 1);
    await mesh.join({ ...b, protocols: [2, 3] });
    assert.equal((await mesh.read()).identity.protocol, 2);
  });

  test("a new mesh takes hosts of any protocol until one has joined", async ({ mesh }) => {
    await mesh.open({ ...settings, protocols: [2, 3] });
    assert.equal((await mesh.read()).identity.protocol, 0);
    await mesh.open({ ...settings, protocols: [1, 1] });
    await mesh.join({ ...a, protocols: [1, 1] });
    assert.equal((await mesh.read()).identity.protocol, 1);
  });

  test("a host that starts again is not compared with its own earlier run", async ({ mesh, another }) => {
    await mesh.join({ ...a, secrets: ["old"], protocols: [1, 1] });
    const other = await another();
    const terms = { ...changed, secrets: ["new"], protocols: [2, 2] as const };
    await assert.rejects(other.open({ ...settings, ...terms }), /of which a \(protocol 1\) runs/);
    await other.open({ ...settings, ...terms, host: "a" });
    assert.equal((await mesh.renew(a)).state, "up", "until the new run joins");
    await other.join({ ...host("a", "a-2"), ...terms });
    await assert.rejects(mesh.renew(a), HostGoneError);
  });

  test("silent hosts are named by their differences", async ({ mesh, brief }) => {
    await brief.join({ ...a, secrets: ["old"], protocols: [1, 1] });
    await brief.join({ ...b, secrets: ["old"], protocols: [1, 2] });
    await brief.join({ ...host("c"), secrets: ["old"], protocols: [1, 2] });
    const silent = await mesh.open({ ...settings, secrets: ["new"], protocols: [2, 3] })
      .catch((error) => error);
    assert.ok(silent instanceof SilentHostsError);
    assert.deepEqual(silent.hosts.map((each) => each.host), ["a", "b", "c"]);
    assert.match(
      silent.message,
      /^This program.* of which a \(protocol 1\) was killed or is cut off\. The mesh\.secret .* of which b, c were killed or are cut off\. Where they/,
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
}
