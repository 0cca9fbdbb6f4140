/**
 * A change of the number of shards, of trainers or of partitions, as the coordination store keeps
 * it.
 *
 *     asked ─▶ begun ─▶ done
 *       └────▶ cancelled
 *
 * It begins when the host of the first trainer has taken a snapshot, unless the operator has ended
 * it before. A change of trainers with an override begins at once: its trainers go on at the newest
 * snapshot that there is, as after the loss of their hosts. A change is done when all parts are
 * there, and every serving host uses the new ones.
 *
 * A sharding is one division of the feature ids among shards, a dealing one of the partitions of
 * the example log among trainers. Both are numbered from 0, and the step to `begun` makes the next
 * one the present one of the mesh: atomically, so that every process finds either the old parts or
 * the new ones. Another partitioning (see partitioning.ts) is another dealing too, since there are
 * other partitions to deal, so that it may have another number of trainers.
 *
 * The step to `done` is recorded: a part that is restored afterwards, since its host was lost, has
 * nothing to do with the change.
 */

/** The parts whose number an operator changes. */
export type CountedParts = "shards" | "trainers" | "partitions";

/** A number before and after a change. */
export interface NumberChange {
  readonly from: number;
  readonly to: number;
}

/** The last change of a number of parts. */
export interface ReshardRecord {
  readonly parts: CountedParts;
  /** Number of the sharding, or of the dealing, that it begins. */
  readonly division: number;
  /** Parts before; of `partitions` those of the event log. */
  readonly from: number;
  /** Parts afterwards. */
  readonly to: number;
  /** Partitions of the example log; present for `partitions`. */
  readonly examples?: NumberChange;
  /** Trainers, where a change of `partitions` changes their number too. */
  readonly trainers?: NumberChange;
  /** See {@link ReshardRequest.override}. */
  readonly override?: string;
  readonly state: "asked" | "begun" | "done" | "cancelled";
  /** Edition of the last plan of moves when the change was asked for; 0 = there was none. */
  readonly planBefore: number;
}

/** The request of an operator. */
export interface ReshardRequest {
  readonly parts: CountedParts;
  readonly to: number;
  /** Partitions of the example log; for `partitions`, where it is a multiple of `to`. */
  readonly examples?: number | undefined;
  /** Trainers, for `partitions` where their number changes too. */
  readonly trainers?: number | undefined;
  /**
   * For `trainers`, the reason of the operator why the change begins without a snapshot, and
   * although the change before is not done: some trainer cannot begin, so that neither would end.
   */
  readonly override?: string | undefined;
  /** The version of the mesh that the request was decided from; undefined = any. */
  readonly version?: number | undefined;
}

/** The numbers that a change changes, each with its noun. */
export function changedNumbers(
  { parts, from, to, examples, trainers }: Omit<ReshardRecord, "division" | "state" | "planBefore">,
): readonly (NumberChange & { readonly noun: string })[] {
  if (parts !== "partitions") return [{ from, to, noun: parts }];
  const changes = [
    { from, to, noun: "partitions of the event log" },
    ...(examples ? [{ ...examples, noun: "partitions of the example log" }] : []),
    ...(trainers ? [{ ...trainers, noun: "trainers" }] : []),
  ];
  return changes.filter((change) => change.from !== change.to);
}

/** The numbers before and after a change, for example `1 -> 2 trainers`. */
export function numbersText(change: Parameters<typeof changedNumbers>[0]): string {
  return changedNumbers(change).map(({ from, to, noun }) => `${from} -> ${to} ${noun}`).join(", ");
}

/** A change in words, for example `from 1 to 2 trainers`. */
export function changeWords(change: Parameters<typeof changedNumbers>[0]): string {
  return changedNumbers(change).map(({ from, to, noun }) => `from ${from} to ${to} ${noun}`)
    .join(" and ");
}

/** How an operator goes back to the numbers before a change. */
export function wayBack({ parts, from, examples, trainers }: ReshardRecord): string {
  if (parts === "shards") return `run cairn reshard --shards ${from}`;
  if (parts === "trainers") return `set trainer.count to ${from} and run cairn apply`;
  const values = [
    `joiner.partitions to ${from}`,
    ...(examples ? [`trainer.partitions to ${examples.from}`] : []),
    ...(trainers ? [`trainer.count to ${trainers.from}`] : []),
  ];
  return `set ${values.join(", ")} and run cairn apply`;
}

/** Least number of shards of a mesh. */
export const SHARDS_MIN = 1;
/** Greatest number of shards of a mesh. */
export const SHARDS_MAX = 1_024;

/** Greatest number of partitions of each log. */
export const PARTITIONS_MAX = 1_024;

/** The mesh cannot change the number now; the message says what to do. */
export class ReshardRefusedError extends Error {
  override readonly name = "ReshardRefusedError";
  constructor(why: string, parts: CountedParts = "shards") {
    super(`The number of ${parts} stays as it is: ${why}.`);
  }
}
