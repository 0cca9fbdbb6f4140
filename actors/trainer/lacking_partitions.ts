/**
 * Partitions without new chunks that keep a trainer of several from its next batch. Their joiners
 * are asked for empty chunks when the trainer has waited for some time.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { LackingPartition } from "./example_reader.ts";
import type { PartitionJoiners } from "./partition_joiners.ts";
import type { TrainerMessage } from "./protocol.ts";

/** Wait, ms. A shorter one makes examples fresher and appends more empty chunks. */
const REACH_MS = 50;

export class LackingPartitions {
  readonly #context: ActorContext<TrainerMessage>;
  readonly #joiners: PartitionJoiners;
  /** Whether `reachDue` is scheduled. */
  #isDue = false;

  constructor(context: ActorContext<TrainerMessage>, joiners: PartitionJoiners) {
    this.#context = context;
    this.#joiners = joiners;
  }

  /** Has the trainer look again when it has waited, if partitions are lacking. */
  await(lacking: readonly LackingPartition[]): void {
    if (this.#isDue || lacking.length === 0) return;
    this.#isDue = true;
    this.#context.schedule(REACH_MS, { kind: "reachDue" });
  }

  /** Asks the joiners of the partitions that are still lacking, and waits for them. */
  reach(lacking: readonly LackingPartition[]): void {
    this.#isDue = false;
    for (const each of lacking) this.#joiners.tell(each.partition, { kind: "reach", ...each });
    this.await(lacking);
  }
}
