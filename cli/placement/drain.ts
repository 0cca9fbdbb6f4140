/**
 * The work of `cairn drain` and `cairn undrain`.
 */
import { counted } from "../../structures/counted.ts";
import { planKind } from "../../mesh/placement/mesh_plan.ts";
import { ownerOf } from "../../mesh/placement/views.ts";
import { rolesOf, shardViews } from "../../mesh/placement/mesh_views.ts";
import { type MeshView, parsePlacedKey, type PlacedKey } from "../../mesh/ports/coordination.ts";
import { CommandError } from "../errors.ts";
import type { Output } from "../command_line.ts";
import type { DrainFlags } from "./command.ts";
import { readersOn, withMeshStore } from "./mesh_store.ts";
import { countedParts, partName } from "./part_names.ts";
import { holdingLine } from "./reshard.ts";
import { servedAloneLine, servedRows } from "./served_rows.ts";
import { orUndrain } from "./undrain_advice.ts";
import { Wait } from "./wait.ts";

/**
 * Changes the state of a host; with `flags.wait` until all that can leave it has left.
 *
 * @throws {CommandError} There is no such host, another command ends its drain during the wait, or
 * after the wait it keeps shards, joiners or trainers that no other host can take.
 */
export async function drainCommand(
  host: string,
  state: "draining" | "up",
  flags: DrainFlags,
  output: Output,
): Promise<void> {
  await withMeshStore(flags, async (store) => {
    const { configuration, coordination, read } = store;
    const wait = Wait.of(store, flags, output);
    await coordination.setHostState(host, state);
    const view = await read();
    const before = shardsOn(view, host).length;
    const stuck = shardsThatStay(view, host);
    const serving = servedRows(configuration, view).find((each) => each.host === host);
    output.out(
      flags.json
        ? `${
          JSON.stringify({
            ...{ host, state, shards: before, unplaced: stuck },
            ...(serving && { servesAlone: serving.alone }),
          })
        }\n`
        : state === "up"
        ? `${host} is not draining any more: it may get shards, joiners and trainers of its roles\n`
        : `${host} is draining: ${drained(view, host, stuck.length)}\n`,
    );
    for (const [reason, shards] of Map.groupBy(stuck, ({ reason }) => reason)) {
      const noun = shards.length === 1 ? "shard" : "shards";
      const numbers = shards.map(({ shard }) => shard).join(", ");
      output.err(`${noun} ${numbers} cannot leave: ${reason}\n`);
    }
    for (const { key, role } of state === "up" ? [] : readersThatStay(view, host)) {
      output.err(
        `${partName(key)} cannot leave: no other host that is up has the role ${role}; its work ` +
          `waits in the logs while ${host} is stopped\n`,
      );
    }
    if (serving !== undefined && state === "draining") output.err(servedAloneLine(serving));
    if (wait === undefined || state === "up") return;
    let shown = before;
    let holding: string | undefined;
    await wait.until((view) => {
      if (view.hosts.get(host)?.state === "up") {
        throw new CommandError(`${host} is not draining any more: another command has ended it.`);
      }
      const left = shardsOn(view, host).length;
      if (left !== shown) output.err(`${counted(left, "shard")} left on ${host}\n`);
      shown = left;
      const held = left > 0 ? holdingLine(view) : undefined;
      if (held !== undefined && held.key !== holding) output.err(held.line);
      holding = held?.key;
      if (partsThatLeave(view, host) > 0) return false;
      requireEmpty(view, host);
      return true;
    });
  });
}

/** @throws {CommandError} Parts stay on the host; the message says what to do. */
function requireEmpty(view: MeshView, host: string): void {
  const shards = shardsThatStay(view, host).length;
  const readers = readersThatStay(view, host);
  if (shards + readers.length === 0) return;
  const roles = [...new Set(readers.map(({ role }) => role))];
  const undrain = orUndrain(view, host, [...(shards > 0 ? ["shards"] : []), ...roles]);
  const needs = [
    ...(shards > 0 ? ["shards and room for them"] : []),
    ...(roles.length > 0 ? [`the ${roles.length > 1 ? "roles" : "role"} ${roles.join(", ")}`] : []),
  ];
  const kept = [
    ...(shards > 0 ? [counted(shards, "shard")] : []),
    ...readers.map(({ key }) => partName(key)),
  ];
  const orStop = shards > 0
    ? ""
    : `; or stop ${host} all the same: their work waits in the logs until it is back`;
  throw new CommandError(
    `${host} is not empty: ${kept.join(", ")} cannot leave. Start another host with ` +
      `${needs.join(" and ")}${undrain}, and run this command again${orStop}.`,
  );
}

function drained(view: MeshView, host: string, stuck: number): string {
  const shards = shardsOn(view, host).length;
  if (stuck > 0) {
    return `${shards - stuck} of ${shards} shards can leave it; start another host with shards` +
      orUndrain(view, host, ["shards"]);
  }
  const stay = new Set(readersThatStay(view, host).map(({ key }) => key));
  const leaving = [
    ...shardsOn(view, host),
    ...readersOn(view, host).filter((key) => !stay.has(key)),
  ];
  if (leaving.length === 0) return "nothing leaves it";
  return `${countedParts(leaving)} ${leaving.length === 1 ? "leaves" : "leave"} it`;
}

/** Shards that no other host can take. */
function shardsThatStay(view: MeshView, host: string) {
  return planKind(view, "shard", Infinity).shards.flatMap((each) =>
    each.kind === "unplaced" && each.from === host ? [each] : []
  );
}

/** Joiners and trainers that no other host can take. */
function readersThatStay(view: MeshView, host: string) {
  return readersOn(view, host)
    .map((key) => ({ key, role: rolesOf[parsePlacedKey(key).kind] }))
    .filter(({ role }) =>
      ![...view.hosts.values()].some((each) =>
        each.host !== host && each.state === "up" && each.expiresMs > view.nowMs &&
        each.roles.includes(role)
      )
    );
}

function partsThatLeave(view: MeshView, host: string): number {
  const readers = readersOn(view, host).length - readersThatStay(view, host).length;
  return shardsOn(view, host).length - shardsThatStay(view, host).length + readers;
}

function shardsOn(view: MeshView, host: string): PlacedKey[] {
  return shardViews(view, "shard").filter(({ placement }) => ownerOf(placement) === host)
    .map(({ shard }) => `shard/${shard}` as const);
}
