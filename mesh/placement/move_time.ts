/** The time that moves take. */
import type { PartDecision } from "./mesh_plan.ts";

/**
 * Bytes of rows that one shard copies a second: the lowest rate of copies between worker threads on
 * a machine of two busy cores.
 */
const BYTES_PER_SECOND = 40 * 2 ** 20;

/**
 * Time from the change of the owner of a joiner or a trainer until the new one reads, ms: the
 * longest of processes on a machine of two busy cores.
 */
const HANDOVER_MS = 2_000;

/**
 * Time to copy `bytes` at the rate of a move, ms; the target applies rows slower than a link
 * carries them, so the rate is one that was measured for both together.
 */
export function moveMs(bytes: number, bytesPerSecond: number): number {
  return Math.ceil(bytes / bytesPerSecond * 1_000);
}

/**
 * Time until every part of a plan is at its host, ms, where each kind has up to `movesMax` moves at
 * a time. A trainer learns again what came after the newest snapshot, which takes its time besides.
 */
export function estimateMoves(decisions: readonly PartDecision[], movesMax: number): number {
  let bytes = 0;
  const readers = { events: 0, trainer: 0 };
  for (const { key, decision } of decisions) {
    const { kind } = decision;
    if (kind !== "moves" && kind !== "waits" && kind !== "restores") continue;
    if (key.startsWith("shard/")) bytes += decision.bytes;
    else readers[key.startsWith("events/") ? "events" : "trainer"]++;
  }
  const handovers = Math.ceil(Math.max(readers.events, readers.trainer) / movesMax);
  const copyMs = Math.ceil(moveMs(bytes, BYTES_PER_SECOND) / movesMax);
  return Math.max(copyMs, handovers * HANDOVER_MS);
}
