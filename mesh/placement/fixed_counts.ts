/**
 * Counts that a mesh never changes: the numbers of partitions decide where a ranking's events and
 * examples are. They are set high where a mesh is to grow, since partitions are dealt to however
 * many joiners and trainers there are.
 */

export interface FixedCounts {
  readonly eventPartitions: number;
  readonly examplePartitions: number;
}

/** A part of a configuration that cannot be applied to the running mesh. */
export interface RefusedChange {
  readonly setting: string;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

const names = {
  eventPartitions: ["joiner.partitions", "which partition has a ranking's events"],
  examplePartitions: ["trainer.partitions", "which partition has a ranking's examples"],
} as const satisfies Record<keyof FixedCounts, readonly [string, string]>;

/** The counts that a configuration would change, with the way to change them. */
export function refusedChanges(created: FixedCounts, asked: FixedCounts): RefusedChange[] {
  return (Object.keys(names) as (keyof FixedCounts)[])
    .filter((count) => created[count] !== asked[count])
    .map((count) => {
      const [setting, decides] = names[count];
      const most = count === "examplePartitions"
        ? `; a mesh with ${created[count]} has at most as many trainers`
        : "";
      const reason = `${setting} is fixed when a mesh is created, because it decides ${decides}: ` +
        `set it to ${created[count]}, or stop the mesh and start another one with ` +
        `${asked[count]}, without a snapshot${most}`;
      return { setting, from: created[count], to: asked[count], reason };
    });
}
