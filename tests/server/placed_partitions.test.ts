/**
 * Goal: a partition has its actor on the host that the store gives it to, under the epoch of its
 * placement, and the actor stands still while that host cannot renew its lease. Method: two agents
 * under virtual time with their records in memory, and actors that note their messages.
 */
import assert from "node:assert/strict";
import type { SetLeased } from "../../mesh/runtime/set_leased.ts";
import { MemoryRecordStore } from "../../mesh/adapters/memory/memory_record_store.ts";
import type { PlacedKey } from "../../mesh/ports/coordination.ts";
import { type RecordStore, RecordStoreUnavailableError } from "../../mesh/ports/record_store.ts";
import type { ActorDefinition, Address } from "../../mesh/runtime/actor.ts";
import { Coordinator } from "../../mesh/runtime/coordination/coordinator.ts";
import { Mesh } from "../../mesh/runtime/mesh.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { PlacementAgent } from "../../server/placement_agent.ts";
import { fixedSharding } from "./fixed_sharding.ts";
import { placedAddress } from "../../server/addresses.ts";
import { descriptionOf, meshSettings } from "../mesh/placement/model.ts";

const LEASE_MS = 2_000;

/** Has an actor crash. */
interface Crash {
  readonly kind: "crash";
}

/**
 * The kinds of placed actors, with notes of their starts, ends and leases.
 *
 * @param end Resolves when an actor of a host that has been told to end is gone.
 * @param begin Throws where an actor is not to start.
 */
function observed(
  kind: string,
  note: (text: string) => void,
  end: (host: string) => Promise<void>,
  begin: (address: Address) => void,
): ActorDefinition<SetLeased | Crash, { readonly host: string; readonly tenure: number }> {
  return {
    kind,
    mailbox: { capacity: 64, overflow: "reject" },
    restart: { restartsMax: 3, periodMs: 1_000, backoffMs: 10, backoffMsMax: 10 },
    priorityOf: () => "control",
    create(context, { host, tenure }) {
      const name = `${context.self.address} on ${host} in epoch ${tenure}`;
      begin(context.self.address);
      note(`${name} starts`);
      return {
        receive(message) {
          if (message.kind === "crash") throw new Error("a crash");
          if (message.kind !== "setLeased") return; // its host asks for its position
          note(`${name} ${message.isLeased ? "goes on" : "stands still"}`);
        },
        stop() {
          note(`${name} ends`);
          return end(host);
        },
      };
    },
  };
}

/** A keeper runs where the joiner is. */
function followersOf(key: PlacedKey): readonly Address[] {
  return key === "events/0" ? ["feature_keeper/0"] : [];
}

async function startHosts(
  seed: number,
  change: (host: string, coordination: Coordinator) => void = () => {},
  end: (host: string) => Promise<void> = () => Promise.resolve(),
  begin: (address: Address) => void = () => {},
) {
  const simulated = new SimulatedMesh({ seed, linkLatencyMs: 1 });
  const memory = new MemoryRecordStore(simulated.clock);
  const notes: string[] = [];
  const gone: string[] = [];
  const away = new Set<string>();
  const nodes = ["a", "b"].map((name) => simulated.node(name));
  simulated.link(nodes[0], nodes[1]);
  const agents = new Map<string, PlacementAgent>();
  const meshes = new Map<string, Mesh>();
  let admin: Coordinator | undefined;
  for (const home of nodes) {
    const host = home.name;
    const fail = () =>
      Promise.reject(new RecordStoreUnavailableError("the store", new Error("it is away")));
    const store: RecordStore = {
      transact: (rule, options) => away.has(host) ? fail() : memory.transact(rule, options),
      watch: (since, timeoutMs) => away.has(host) ? fail() : memory.watch(since, timeoutMs),
      close: () => memory.close(),
    };
    const leases = { hostTtlMs: LEASE_MS, controlTtlMs: LEASE_MS };
    const { random } = simulated;
    const coordination = new Coordinator({ store, random, ...leases });
    change(host, coordination);
    const parts = { eventPartitions: 1, examplePartitions: 2, trainers: 2 };
    await simulated.settle(coordination.open(meshSettings({ ...parts, protocols: [1, 2] })));
    admin = new Coordinator({ store: memory, random, ...leases });
    const definitions = ["joiner", "trainer", "feature_keeper"].map((kind) =>
      observed(kind, (text) => void notes.push(text), end, begin)
    );
    const part = { nodes: [host], retryMs: 100 };
    const mesh = new Mesh({ home, composition: { definitions }, part });
    await simulated.settle(mesh.start([]));
    const agent = new PlacementAgent({
      mesh,
      coordination,
      description: {
        ...descriptionOf({ host, incarnation: `${host}-1` }),
        roles: ["joiner", "trainer"],
        capacityBytes: 1e9,
        protocols: [1, 2],
      },
      listedHosts: ["a", "b"],
      links: () => ["a", "b"].map((host) => ({ host, isLinked: true })),
      sharding: fixedSharding(),
      takeSnapshot: () => Promise.resolve(),
      homeOf: (host) => host,
      nodeOf: (host) => host,
      followersOf,
      actorsOf: (key: PlacedKey, tenure: number) =>
        [placedAddress(key, 0), ...followersOf(key)].map((address) => {
          const [kind, name] = address.split("/");
          return { kind, key: name, node: host, options: { host, tenure } };
        }),
      ttlMs: LEASE_MS,
      onGone: ({ message }) => gone.push(message),
    });
    agents.set(host, agent);
    meshes.set(host, mesh);
    await simulated.settle(agent.start());
    await simulated.advance(1_500);
  }
  assert.ok(admin);
  return { simulated, notes, gone, away, admin, agents, meshes };
}

Deno.test("a drained host gives its partitions to another one, in the next epoch", async () => {
  const { simulated, notes, admin, gone } = await startHosts(1);
  await simulated.advance(3_000);
  const before = notes.filter((text) => text.includes("joiner/0")).at(-1) ?? "";
  const from = before.includes("on a") ? "a" : "b";
  const to = from === "a" ? "b" : "a";
  await admin.setHostState(from, "draining");
  await simulated.advance(5_000);
  const view = await admin.read();
  for (const [key, placement] of view.placements) {
    assert.ok(placement.state === "active" && placement.owner.host === to, key);
  }
  const { epoch } = view.placements.get("events/0") ?? { epoch: 0 };
  assert.ok(notes.includes(`joiner/0 on ${to} in epoch ${epoch} starts`), `${notes}`);
  assert.ok(notes.includes(before.replace("starts", "ends")), `${notes}`);
  const keepers = notes.filter((text) => text.startsWith("feature_keeper/0"));
  assert.deepEqual(
    keepers.slice(-2).toSorted(),
    [
      before.replace("joiner", "feature_keeper").replace("starts", "ends"),
      `feature_keeper/0 on ${to} in epoch ${epoch} starts`,
    ].toSorted(),
    "its keeper has followed the joiner",
  );
  assert.deepEqual(gone, []);
  await simulated.stop();
});

Deno.test("a partition whose actor cannot start is tried again after longer and longer pauses", async () => {
  let tries = 0;
  let isMounted = false;
  const begin = (address: Address) => {
    if (address !== "trainer/0" || isMounted) return;
    tries++;
    throw new Error("its store lacks the mark");
  };
  const { simulated, notes } = await startHosts(9, undefined, undefined, begin);
  await simulated.advance(20_000);
  assert.ok(tries >= 3 && tries <= 10, `${tries} tries in 23 s`);
  isMounted = true;
  await simulated.advance(5_000);
  assert.ok(notes.some((text) => /^trainer\/0 .* starts$/.test(text)), `${notes}`);
  await simulated.stop();
});

Deno.test("a host that is cut off stands still before others have its partitions, then its process ends", async () => {
  const { simulated, notes, away, admin, gone } = await startHosts(2);
  await simulated.advance(3_000);
  const owned = (await admin.read()).placements.get("events/0");
  assert.ok(owned?.state === "active");
  const { host } = owned.owner;
  const other = host === "a" ? "b" : "a";
  const name = `joiner/0 on ${host} in epoch ${owned.epoch}`;
  away.add(host);
  await simulated.advance(LEASE_MS + 8_000);
  const stands = notes.indexOf(`${name} stands still`);
  const starts = notes.indexOf(`joiner/0 on ${other} in epoch ${owned.epoch + 1} starts`);
  assert.ok(stands >= 0 && starts > stands, notes.join("; "));
  assert.deepEqual(gone, []);
  away.delete(host);
  await simulated.advance(2_000);
  assert.equal(gone.length, 1);
  assert.match(
    gone[0],
    /was removed from the mesh, by .* because its lease expired, or by a process without mesh/,
  );
  await simulated.stop();
});

Deno.test("a host without a lease leaves the partitions alone that another one has by then", async () => {
  let holding = "";
  const isBack = Promise.withResolvers<void>();
  const held = async (host: string) => {
    if (host === holding) await isBack.promise;
  };
  const { simulated, notes, away, admin, gone } = await startHosts(8, (host, coordination) => {
    const renew = coordination.renew.bind(coordination);
    coordination.renew = async (...args) => {
      await held(host);
      return await renew(...args);
    };
  }, held);
  await simulated.advance(3_000);
  const owned = (await admin.read()).placements.get("events/0");
  assert.ok(owned?.state === "active");
  const { host } = owned.owner;
  const other = host === "a" ? "b" : "a";
  away.add(host);
  await simulated.advance(LEASE_MS + 8_000);
  const ofOther = `joiner/0 on ${other} in epoch ${owned.epoch + 1}`;
  assert.ok(notes.includes(`${ofOther} starts`), `${notes}`);
  // It reads where its partitions are before it hears that it was removed, and they end slowly.
  holding = host;
  away.delete(host);
  await simulated.advance(2 * LEASE_MS);
  assert.ok(notes.includes(`joiner/0 on ${host} in epoch ${owned.epoch} ends`), `${notes}`);
  isBack.resolve();
  await simulated.advance(LEASE_MS);
  assert.equal(gone.length, 1);
  assert.deepEqual(notes.filter((text) => text === `${ofOther} stands still`), []);
  await simulated.stop();
});

Deno.test("hosts stand still while the store is away longer than a lease, and go on in their epochs", async () => {
  const { simulated, notes, away, admin, gone } = await startHosts(3);
  await simulated.advance(3_000);
  const before = JSON.stringify([...(await admin.read()).placements]);
  notes.length = 0;
  away.add("a").add("b");
  await simulated.advance(4 * LEASE_MS);
  assert.ok(notes.length > 0 && notes.every((text) => text.endsWith("stands still")), `${notes}`);
  const still = new Set(notes);
  away.clear();
  await simulated.advance(4 * LEASE_MS);
  assert.deepEqual(
    notes.slice(-still.size).toSorted(),
    [...still].map((text) => text.replace("stands still", "goes on")).toSorted(),
  );
  assert.equal(notes.filter((text) => text.endsWith("goes on")).length, still.size);
  assert.equal(JSON.stringify([...(await admin.read()).placements]), before);
  assert.deepEqual(gone, []);
  await simulated.stop();
});

Deno.test("an actor that crashes after the lease has ended stands still again", async () => {
  const { simulated, notes, away, admin, meshes } = await startHosts(4);
  await simulated.advance(3_000);
  const owned = (await admin.read()).placements.get("events/0");
  assert.ok(owned?.state === "active");
  const { host } = owned.owner;
  away.add("a").add("b");
  await simulated.advance(2 * LEASE_MS);
  notes.length = 0;
  meshes.get(host)?.actorRef<Crash>("joiner/0").tell({ kind: "crash" });
  await simulated.advance(LEASE_MS);
  const name = `joiner/0 on ${host} in epoch ${owned.epoch}`;
  const ofJoiner = notes.filter((text) => text.startsWith("joiner/0 "));
  assert.deepEqual(ofJoiner.slice(0, 3), [
    `${name} ends`,
    `${name} starts`,
    `${name} stands still`,
  ]);
  assert.ok(!notes.some((text) => text.endsWith("goes on")), `${notes}`);
  await simulated.stop();
});

Deno.test("a host that has never renewed its lease stands still when it ends", async () => {
  const { simulated, notes } = await startHosts(5, (host, coordination) => {
    if (host !== "a") return;
    coordination.renew = () =>
      Promise.reject(new RecordStoreUnavailableError("the store", new Error("it is away")));
  });
  await simulated.advance(3 * LEASE_MS);
  assert.ok(
    notes.some((text) => text.includes("on a") && text.endsWith("stands still")),
    `${notes}`,
  );
  await simulated.stop();
});

Deno.test("a host that stops lets its partitions stand still before others have them", async () => {
  const { simulated, notes, admin, agents } = await startHosts(6);
  await simulated.advance(3_000);
  const owned = (await admin.read()).placements.get("events/0");
  assert.ok(owned?.state === "active");
  const { host } = owned.owner;
  const agent = agents.get(host);
  assert.ok(agent);
  notes.length = 0;
  await simulated.settle(agent.stop(), 5_000);
  await simulated.advance(3_000);
  const stands = notes.indexOf(`joiner/0 on ${host} in epoch ${owned.epoch} stands still`);
  const other = host === "a" ? "b" : "a";
  const starts = notes.indexOf(`joiner/0 on ${other} in epoch ${owned.epoch + 1} starts`);
  assert.ok(stands >= 0 && starts > stands, notes.join("; "));
  await simulated.stop();
});

Deno.test("a host that stops ends its keepers with their lease, before others have its partitions", async () => {
  const { simulated, notes, admin, agents } = await startHosts(7);
  await simulated.advance(3_000);
  const owned = (await admin.read()).placements.get("events/0");
  assert.ok(owned?.state === "active");
  const { host } = owned.owner;
  notes.length = 0;
  await simulated.settle(agents.get(host)?.stop() ?? assert.fail(), 5_000);
  await simulated.advance(3_000);
  const other = host === "a" ? "b" : "a";
  const ofKeeper = notes.filter((text) => text.startsWith("feature_keeper/0"));
  assert.deepEqual(ofKeeper, [
    `feature_keeper/0 on ${host} in epoch ${owned.epoch} ends`,
    `feature_keeper/0 on ${other} in epoch ${owned.epoch + 1} starts`,
  ]);
  await simulated.stop();
});
