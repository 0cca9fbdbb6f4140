/**
 * Counts that a running mesh cannot change. The numbers of partitions are fixed when the mesh is
 * created, since they decide the partition of a ranking; the number of trainers can change while no
 * host runs.
 */

export interface FixedCounts {
  readonly eventPartitions: number;
  readonly examplePartitions: number;
  readonly trainers: number;
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
  trainers: ["trainer.count", "which trainer reads a partition"],
} as const satisfies Record<keyof FixedCounts, readonly [string, string]>;

/** The counts that a configuration would change, with the way to change them. */
export function refusedChanges(created: FixedCounts, asked: FixedCounts): RefusedChange[] {
  return (Object.keys(names) as (keyof FixedCounts)[])
    .filter((count) => created[count] !== asked[count])
    .map((count) => {
      const [setting, decides] = names[count];
      const reason = count === "trainers"
        ? `${setting} changes while no host runs, because it decides ${decides}: set it to ` +
          `${created[count]}, or stop all hosts and start them with ${asked[count]}`
        : `${setting} is fixed when a mesh is created, because it decides ${decides}: ` +
          `set it to ${created[count]}, or stop the mesh and start another one with ` +
          `${asked[count]}, without a snapshot`;
      return { setting, from: created[count], to: asked[count], reason };
    });
}
