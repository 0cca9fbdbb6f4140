/**
 * The streams of gradients that a trainer has opened at its shards, one for each partition and
 * shard, and whether a shard was restarted since.
 */
import { present } from "../../structures/invariant.ts";
import { ShardRestartedError, type SourceOpening } from "../embedding_shard/protocol.ts";

/** A shard as it answers. */
type Incarnated = Pick<SourceOpening, "incarnation">;

export class ShardOpenings {
  readonly #partitions: readonly number[];
  /** By partition and shard. */
  readonly #openings = new Map<number, readonly SourceOpening[]>();
  #incarnations: readonly string[] = [];

  constructor(partitions: readonly number[]) {
    this.#partitions = partitions;
  }

  /** Notes the streams of a partition, by shard. */
  set(partition: number, openings: readonly SourceOpening[]): void {
    this.#openings.set(
      partition,
      openings.map(({ incarnation, epoch }) => ({ incarnation, epoch })),
    );
    if (partition !== this.#partitions[0]) return;
    this.#incarnations = openings.map(({ incarnation }) => incarnation);
  }

  /** The streams of a partition, by shard. */
  of(partition: number): readonly SourceOpening[] {
    return present(this.#openings.get(partition), "the streams of all partitions are opened");
  }

  /** The streams of one partition, empty before; those of others are of the same incarnations. */
  get ofAny(): readonly SourceOpening[] {
    return this.#openings.get(this.#partitions[0]) ?? [];
  }

  /** The incarnations of {@link ofAny}, by shard; the same array until the next {@link set}. */
  get incarnations(): readonly string[] {
    return this.#incarnations;
  }

  /** A shard that has opened two partitions in different incarnations. */
  get restarted(): number | undefined {
    for (const openings of this.#openings.values()) {
      const restarted = this.#restartedIn(openings);
      if (restarted >= 0) return restarted;
    }
    return undefined;
  }

  /** @throws {ShardRestartedError} When a shard has another incarnation than its streams. */
  requireSame(shards: readonly Incarnated[]): void {
    const restarted = this.#restartedIn(shards);
    if (restarted >= 0) throw new ShardRestartedError(restarted);
  }

  /** The first shard that has another incarnation than its streams; -1 where none has. */
  #restartedIn(shards: readonly Incarnated[]): number {
    const before = this.#incarnations;
    return shards.findIndex(({ incarnation }, s) => incarnation !== before[s]);
  }
}
