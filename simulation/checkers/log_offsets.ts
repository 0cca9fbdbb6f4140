/**
 * Durable records of a partition have offsets without gaps, and none is written twice.
 *
 *     ∀ partition:  firstOffset of newly durable records = offset behind the last durable one
 */
import type { Checker, CheckerContext } from "./checker.ts";

export function logOffsets(context: CheckerContext): Checker {
  const ends = new Map<string, number>();
  return {
    name: "log-offsets",
    durable(log, partition, records, firstOffset) {
      const key = `${log}/${partition}`;
      const end = ends.get(key) ?? 0;
      if (firstOffset !== end) {
        context.fail(`records of ${key} became durable from offset ${firstOffset}, not ${end}`);
      }
      ends.set(key, firstOffset + records.length);
    },
    tailLost: (log, partition, end) => void ends.set(`${log}/${partition}`, end),
  };
}
