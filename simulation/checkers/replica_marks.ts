/**
 * The marks of serving replicas, as they were told them.
 */
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import type { Address, Message } from "../../mesh/runtime/actor.ts";

const REPLICA = "serving_replica/";
/** An answer may be on its way for so long while its replica's mark is taken back, ms. */
const ON_ITS_WAY_MS = 2_000;

interface Mark {
  readonly throughMs: number;
  /** The mark before the newest one, where that is lower, and when it was taken back. */
  readonly lowered?: { readonly throughMs: number; readonly atMs: number };
}

export class ReplicaMarks {
  readonly #nowMs: () => number;
  readonly #marks = new Map<Address, Mark>();

  /** @param nowMs Virtual time, ms. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** An incarnation of an actor begins. */
  began(actor: Address): void {
    if (actor.startsWith(REPLICA)) this.#set(actor, undefined);
  }

  /**
   * An actor has answered a message.
   *
   * @returns Whether it is a replica, and the message its mark.
   */
  answers(actor: Address, request: Message): boolean {
    if (!actor.startsWith(REPLICA)) return false;
    const message = request as ServingReplicaMessage;
    if (message.kind !== "setMark") return false;
    this.#set(actor, message.learnedThroughMs);
    return true;
  }

  #set(replica: Address, throughMs = 0): void {
    const before = this.#marks.get(replica);
    const lowered = before !== undefined && before.throughMs > throughMs
      ? { throughMs: before.throughMs, atMs: this.#nowMs() }
      : before?.lowered;
    this.#marks.set(replica, { throughMs, ...(lowered && { lowered }) });
  }

  /** The lowest mark of a host's replicas of the same sharding as this one, ms; 0 = none. */
  ofHost(replica: Address): number {
    const [shard, host] = replica.split("@");
    const sharding = shard.split("#")[1];
    let lowest = Infinity;
    for (const [other, { throughMs }] of this.#marks) {
      const [otherShard, otherHost] = other.split("@");
      if (otherHost !== host || otherShard.split("#")[1] !== sharding) continue;
      lowest = Math.min(lowest, throughMs);
    }
    return lowest;
  }

  /** The highest mark that an answer of any of these replicas may have now, ms; 0 = none. */
  newestOf(replicas: readonly Address[]): number {
    const onItsWaySinceMs = this.#nowMs() - ON_ITS_WAY_MS;
    return Math.max(
      0,
      ...replicas.flatMap((replica) => {
        const { throughMs = 0, lowered } = this.#marks.get(replica) ?? {};
        return lowered !== undefined && lowered.atMs >= onItsWaySinceMs
          ? [throughMs, lowered.throughMs]
          : [throughMs];
      }),
    );
  }
}
