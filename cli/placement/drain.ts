/**
 * The work of `cairn drain` and `cairn undrain`.
 */
import { counted } from "../../structures/counted.ts";
import { drainProgress } from "../../mesh/placement/drain_progress.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { CommandError } from "../errors.ts";
import type { Output } from "../command_line.ts";
import type { DrainFlags } from "./command.ts";
import { withMeshStore } from "./mesh_store.ts";
import { countedParts, partName } from "./part_names.ts";
import { holdingLine } from "./reshard.ts";
import { servedAloneLine, servedRows } from "./served_rows.ts";
import { orUndrain } from "./undrain_advice.ts";
import { Wait } from "./wait.ts";

/**
 * Changes the state of a host; with `flags.wait` until all that can leave it has left, and nothing
 * is on its way to it any more.
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
    const { shards, arriving, stuckShards, stuckReaders } = drainProgress(view, host);
    const serving = servedRows(configuration, view).find((each) => each.host === host);
    output.out(
      flags.json
        ? `${
          JSON.stringify({
            ...{ host, state, shards: shards.length, unplaced: stuckShards },
            arriving: arriving.length,
            ...(serving && { servesAlone: serving.alone }),
          })
        }\n`
        : state === "up"
        ? `${host} is not draining any more: it may get shards, joiners and trainers of its roles\n`
        : `${host} is draining: ${drained(view, host)}\n`,
    );
    for (const [reason, shards] of Map.groupBy(stuckShards, ({ reason }) => reason)) {
      const noun = shards.length === 1 ? "shard" : "shards";
      const numbers = shards.map(({ shard }) => shard).join(", ");
      output.err(`${noun} ${numbers} cannot leave: ${reason}\n`);
    }
    for (const { key, role } of state === "up" ? [] : stuckReaders) {
      output.err(
        `${partName(key)} cannot leave: no other host that is up has the role ${role}; its work ` +
          `waits in the logs while ${host} is stopped\n`,
      );
    }
    if (serving !== undefined && state === "draining") output.err(servedAloneLine(serving));
    if (wait === undefined || state === "up") return;
    let shown = shards.length;
    let holding: string | undefined;
    await wait.until((view) => {
      if (view.hosts.get(host)?.state === "up") {
        throw new CommandError(`${host} is not draining any more: another command has ended it.`);
      }
      const { shards: { length: left }, isOver } = drainProgress(view, host);
      if (left !== shown) output.err(`${counted(left, "shard")} left on ${host}\n`);
      shown = left;
      const held = left > 0 ? holdingLine(view) : undefined;
      if (held !== undefined && held.key !== holding) output.err(held.line);
      holding = held?.key;
      if (!isOver) return false;
      requireEmpty(view, host);
      return true;
    });
  });
}

/** @throws {CommandError} Parts stay on the host; the message says what to do. */
function requireEmpty(view: MeshView, host: string): void {
  const { stuckShards: { length: shards }, stuckReaders: readers } = drainProgress(view, host);
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

/** The beginning of a drain in words. */
function drained(view: MeshView, host: string): string {
  const { shards, arriving, readers, stuckShards, stuckReaders } = drainProgress(view, host);
  const back = arriving.length === 0
    ? ""
    : `; ${countedParts(arriving)} on the way to it ${
      arriving.length === 1 ? "stays where it is" : "stay where they are"
    }`;
  if (stuckShards.length > 0) {
    const { length } = shards;
    return `${length - stuckShards.length} of ${length} shards can leave it; start another host ` +
      `with shards${orUndrain(view, host, ["shards"])}${back}`;
  }
  const leaving = [
    ...shards,
    ...readers.filter((key) => !stuckReaders.some((stuck) => stuck.key === key)),
  ];
  if (leaving.length === 0) return `nothing leaves it${back}`;
  return `${countedParts(leaving)} ${leaving.length === 1 ? "leaves" : "leave"} it${back}`;
}
