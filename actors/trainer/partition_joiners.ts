/**
 * The joiners that write a trainer's partitions of the example log.
 */
import type { ActorContext, ActorRef } from "../../mesh/runtime/actor.ts";
import { present } from "../../structures/invariant.ts";
import type { JoinerMessage } from "../joiner/protocol.ts";
import type { TrainerOptions } from "./options.ts";

export class PartitionJoiners {
  readonly #joiners: ReadonlyMap<number, ActorRef<JoinerMessage>>;

  constructor(
    context: Pick<ActorContext<never>, "actorRef">,
    { partitions, joiners }: Pick<TrainerOptions, "partitions" | "joiners">,
  ) {
    this.#joiners = new Map(
      partitions.map((partition, i) => [partition, context.actorRef<JoinerMessage>(joiners[i])]),
    );
  }

  /** Tells the joiner of a partition, which may be away. */
  tell(partition: number, message: JoinerMessage): void {
    present(this.#joiners.get(partition), "partitions have joiners").tell(message);
  }
}
