/**
 * The source of the gradients of one partition of the example log. Shards keep a high-water mark
 * for each source, and snapshots a cut, whichever trainer reads the partition.
 */

/** The name of a partition's source: in marks, snapshots, erasures and the quarantine. */
export function gradientSource(partition: number): string {
  return `trainer/${partition}`;
}
