/**
 * A plan of moves as lines of text.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { sizeText } from "../../mesh/placement/byte_sizes.ts";
import { decisionsOf, type MeshPlan, type PartDecision } from "../../mesh/placement/mesh_plan.ts";
import { hostsHave } from "../../mesh/placement/host_reach.ts";
import type { HostChange } from "../../mesh/placement/placement_plan.ts";
import { mayBalance } from "../../mesh/placement/plan_document.ts";
import type { MeshView, PlacedKind } from "../../mesh/ports/coordination.ts";
import { counted } from "../../structures/counted.ts";
import { present } from "../../structures/invariant.ts";
import { countedParts, partName } from "./part_names.ts";

/** The loads of the hosts, every part that does not stay, and the number of those that stay. */
export function planLines(plan: MeshPlan, version: number): string[] {
  const decisions = decisionsOf(plan);
  const restless = decisions.filter(({ decision }) => decision.kind !== "stays");
  const stays = decisions.filter(({ decision }) => decision.kind === "stays");
  const shards = present(plan.get("shard"), "shards are planned");
  return [
    ...shards.hosts.map(shardHostLine),
    ...(["events", "trainer"] as const).flatMap((kind) =>
      plan.get(kind)?.hosts.map((each) => readerHostLine(kind, each)) ?? []
    ),
    ...restless.map(decisionLine),
    staysLine(stays, decisions, version),
  ];
}

/**
 * Whether hosts that even out by themselves (`mesh.balance`) do not, since the operator went back
 * on the last plan.
 */
export function isHeld(
  { mesh }: Pick<CairnConfiguration, "mesh">,
  view: Pick<MeshView, "plan" | "identity">,
): boolean {
  return mesh?.balance === true && !mayBalance(view);
}

/** The line about a mesh that {@link isHeld}. */
export const heldLine =
  "the hosts do not even out by themselves after cairn rollback or cairn cancel, until the next " +
  "cairn apply; parts of lost and drained hosts get other hosts all the same\n";

function staysLine(
  stays: readonly PartDecision[],
  all: readonly PartDecision[],
  version: number,
): string {
  const [staying, parts] = [stays, all].map((each) => countedParts(each.map(({ key }) => key)));
  const which = stays.length === all.length ? "" : ` of ${parts}`;
  const verb = stays.length > 1 ? "stay" : "stays";
  return `${staying || "no part"}${which} ${verb} (version ${version})\n`;
}

function shardHostLine(each: HostChange): string {
  const { host, state, shardsBefore, shardsAfter, bytesBefore, bytesAfter, capacityBytes } = each;
  const sizes = bytesBefore === bytesAfter
    ? sizeText(bytesBefore)
    : `${sizeText(bytesBefore)} -> ${sizeText(bytesAfter)}`;
  const over = bytesAfter > capacityBytes ? "  over its capacity" : "";
  return `${host}  ${state}  ${change(shardsBefore, shardsAfter, "shard")}  ${sizes} of ${
    sizeText(capacityBytes)
  }${over}${unreachedText(each)}\n`;
}

function readerHostLine(kind: PlacedKind, each: HostChange): string {
  const { host, state, shardsBefore, shardsAfter } = each;
  const part = kind === "events" ? "joiner" : "trainer";
  return `${host}  ${state}  ${change(shardsBefore, shardsAfter, part)}${unreachedText(each)}\n`;
}

function unreachedText({ unreachedBy }: HostChange): string {
  return unreachedBy.length === 0 ? "" : `  ${hostsHave(unreachedBy)} no link with it`;
}

function change(before: number, after: number, part: string): string {
  return `${before === after ? "" : `${before} -> `}${counted(after, part)}`;
}

/** One decision as a line: the part, its way, the size of a shard and the reason. */
export function decisionLine({ key, decision }: PartDecision): string {
  const { kind, reason } = decision;
  const part = partName(key);
  switch (kind) {
    case "stays":
      return `${part}  stays on ${decision.on}: ${reason}\n`;
    case "unplaced":
      return `${part}  has no host to go to: ${reason}\n`;
    case "moves":
    case "restores":
    case "underway":
    case "waits": {
      const { rows, bytes, from = "none", to } = decision;
      const size = key.startsWith("shard/")
        ? `  (${counted(rows, "row")}, ${sizeText(bytes)})`
        : "";
      return `${part}  ${kind} ${from} -> ${to}${size}: ${reason}\n`;
    }
  }
}
