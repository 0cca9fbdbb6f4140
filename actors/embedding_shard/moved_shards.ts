/**
 * The shards of one thread that are between two owners. An actor cannot hold this state, because it
 * outlives the actor: a verified copy becomes the state of the actor that is made next, and a shard
 * that has handed itself over stays frozen even if it crashes and is restarted.
 */
import type { ClassTables } from "../../kernels/embedding/class_tables.ts";
import type { ShardHandover } from "./copy_protocol.ts";

/** A verified copy. */
export interface MovedShard extends Omit<ShardHandover, "end"> {
  readonly tables: ClassTables;
}

export class MovedShards {
  readonly #verified = new Map<number, MovedShard>();
  readonly #given = new Map<number, { readonly copy: string; readonly tenure: number }>();

  /** Keeps a verified copy for the actor that will own it. */
  keep(shard: number, moved: MovedShard): void {
    this.#verified.set(shard, moved);
  }

  /** Takes the verified copy; undefined where there is none. */
  take(shard: number): MovedShard | undefined {
    const moved = this.#verified.get(shard);
    this.#verified.delete(shard);
    return moved;
  }

  /** Frees these tables where no actor has taken them: their move was given up. */
  discard(shard: number, tables: ClassTables): void {
    if (this.#verified.get(shard)?.tables === tables) this.#verified.delete(shard);
  }

  /** Notes that the shard handed itself over to a copy. */
  give(shard: number, copy: string, tenure = 0): void {
    this.#given.set(shard, { copy, tenure });
  }

  /** The copy that the shard handed itself over to in this tenure; undefined where it did not. */
  givenTo(shard: number, tenure = 0): string | undefined {
    const given = this.#given.get(shard);
    return given?.tenure === tenure ? given.copy : undefined;
  }

  /** The shard is this thread's again, or no more. */
  settle(shard: number): void {
    this.#given.delete(shard);
  }
}
