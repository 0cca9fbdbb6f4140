/**
 * A mesh over the record store of an adapter, for the contract suites of coordination, and steps
 * that they share.
 *
 * Leases of length 0 are expired at once, so no case waits for a clock.
 */
import assert from "node:assert/strict";
import type {
  Coordination,
  HostDescription,
  HostRun,
  HostTerms,
  MeshSettings,
  Ownership,
  PlacedKey,
  Placement,
} from "../../../mesh/ports/coordination.ts";
import type { RecordStore } from "../../../mesh/ports/record_store.ts";
import { Coordinator } from "../../../mesh/runtime/coordination/coordinator.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { present } from "../../../structures/invariant.ts";

export interface CoordinationUnderTest {
  /** A connection to the mesh's one store; several stand for several processes. */
  connect(): Promise<RecordStore>;
  dispose(): Promise<void>;
}

/** Opens the store of one test. */
export type OpenCoordination = () => Promise<CoordinationUnderTest>;

/** A mesh that was created with {@link settings}. */
export interface Given {
  /** Leases of an hour. */
  readonly mesh: Coordination;
  /** The same mesh, seen by a process whose leases are expired as soon as they are made. */
  readonly brief: Coordination;
  another(): Promise<Coordination>;
  store(): Promise<RecordStore>;
}

/** Registers a test of the contract. */
export type ContractTest = (name: string, body: (given: Given) => Promise<void>) => void;

export const settings: MeshSettings & HostTerms = {
  shards: 4,
  eventPartitions: 2,
  examplePartitions: 2,
  trainers: 2,
  configuration: {},
  secrets: [],
  protocols: [1, 2],
};
export const HOUR_MS = 3_600_000;

export const host = (name: string, incarnation = `${name}-1`): HostDescription => ({
  host: name,
  incarnation,
  address: `tcp://${name}:7400`,
  roles: ["shards"],
  capacityBytes: 1e9,
  threads: { serving: 0, trainers: 0, shards: 0 },
  configuration: {},
  ownSections: {},
  version: "1.0.0",
  planFormat: 7,
  secrets: [],
  protocols: [1, 2],
});
export const [a, b, c] = [host("a"), host("b"), host("c")];

export const run = ({ host, incarnation }: HostRun): HostRun => ({ host, incarnation });

/** Registers tests over the stores of an adapter, each with a mesh of its own. */
export function contractTests(adapter: string, open: OpenCoordination): ContractTest {
  let seed = 1;
  return (name, body) =>
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
          hostTtlMs: ttlMs,
          controlTtlMs: ttlMs,
        });
      try {
        const mesh = await coordinator(HOUR_MS);
        await mesh.open(settings);
        const brief = await coordinator(0);
        await body({ mesh, brief, another: () => coordinator(HOUR_MS), store });
      } finally {
        for (const each of stores) await each.close();
        await dispose();
      }
    });
}

/** Makes a host the controller; its epoch. */
export async function control(mesh: Coordination, by: HostRun): Promise<number> {
  const turn = await mesh.acquireControl(by);
  assert.ok(turn.kind === "controls", `${by.host} became the controller`);
  return turn.control.epoch;
}

export async function placementOf(mesh: Coordination, key: PlacedKey): Promise<Placement> {
  return present((await mesh.read()).placements.get(key), "the key is in the view");
}

/** Makes one change by the controller, from the present placement. */
export async function change(
  mesh: Coordination,
  epoch: number,
  key: PlacedKey,
  next: Ownership,
): Promise<Placement> {
  const { placements, plan } = await mesh.read();
  const expected = present(placements.get(key), "the key is in the view");
  const placed = await mesh.place({
    by: { controllerEpoch: epoch, planEdition: plan?.edition ?? 0 },
    changes: [{ key, expected, next }],
  });
  return present(placed.get(key), "the answer has the changed key");
}

/** Gives a part to a host, which restores it. */
export async function activate(
  mesh: Coordination,
  epoch: number,
  key: PlacedKey,
  owner: HostRun,
): Promise<Placement> {
  await change(mesh, epoch, key, { state: "restoring", owner });
  return await change(mesh, epoch, key, { state: "active", owner });
}
