/** The mesh of the contracts of a changed number of parts, and its steps. */
import assert from "node:assert/strict";
import type {
  Coordination,
  HostDescription,
  PlacedKey,
  Placement,
} from "../../../mesh/ports/coordination.ts";
import { ReshardRefusedError } from "../../../mesh/ports/resharding.ts";

/** A mesh of four shards and two partitions of examples, and ways to change it. */
export interface ReshardGiven {
  readonly mesh: Coordination;
  /** The same mesh, seen by a process whose leases are expired as soon as they are made. */
  readonly brief: Coordination;
  control(host: HostDescription): Promise<number>;
  activate(epoch: number, key: PlacedKey, owner: HostDescription): Promise<Placement>;
}

export type ReshardTest = (name: string, body: (given: ReshardGiven) => Promise<void>) => void;

const keys: readonly PlacedKey[] = ["shard/0", "shard/1", "shard/2", "shard/3", "trainer/0"];

/** A host that may have all placed parts but joiners. */
export const hostOf = (host: (name: string) => HostDescription): HostDescription => ({
  ...host("a"),
  roles: ["shards", "trainer"],
});

/** Has all shards and a trainer begin on a host. Returns the controller's epoch. */
export async function ready(
  { mesh, control, activate }: ReshardGiven,
  owner: HostDescription,
): Promise<number> {
  await mesh.join(owner);
  const epoch = await control(owner);
  for (const key of keys) await activate(epoch, key, owner);
  return epoch;
}

/** Has every part that waits for its owner begin on a host; `by` is the controller. */
export async function settle(
  { mesh, control, activate }: ReshardGiven,
  by: HostDescription,
  owner: HostDescription,
): Promise<void> {
  const epoch = await control(by);
  for (const [key, expected] of (await mesh.read()).placements) {
    if (expected.state === "unassigned") await activate(epoch, key, owner);
    if (expected.state !== "restoring") continue;
    const next = { state: "active", owner: expected.owner } as const;
    await mesh.place({ by: expected.owner, changes: [{ key, expected, next }] });
  }
}

/** The message with which a change is refused. */
export async function refusal(asked: Promise<unknown>): Promise<string> {
  const error = await asked.then(() => undefined, (error) => error);
  assert.ok(error instanceof ReshardRefusedError, String(error));
  return error.message;
}
