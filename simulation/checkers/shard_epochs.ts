/**
 * The epochs under which processes hold shards, as the actors began with them and as the store has
 * minted them.
 */
import type { EmbeddingShardOptions } from "../../actors/embedding_shard/options.ts";
import type { HostRun, Placement } from "../../mesh/ports/coordination.ts";
import type { Message } from "../../mesh/runtime/actor.ts";
import { shardAt } from "../../server/addresses.ts";

const SHARD = "embedding_shard/";

export class ShardEpochs {
  /** Epoch of the shard's actor, by host and actor. */
  readonly #began = new Map<string, number>();
  /** Host that the store named, by actor and epoch. */
  readonly #owners = new Map<string, string>();
  readonly #processes = new Map<string, number>();

  processBegan(host: string | undefined): void {
    if (host === undefined) return;
    this.#processes.set(host, (this.#processes.get(host) ?? 0) + 1);
    for (const key of this.#began.keys()) if (key.startsWith(`${host} `)) this.#began.delete(key);
  }

  began(actor: string, host: string | undefined, options: unknown): void {
    if (!actor.startsWith(SHARD)) return;
    const { tenure } = options as EmbeddingShardOptions;
    if (tenure !== undefined) this.#began.set(`${host} ${actor}`, tenure);
  }

  placed(key: string, placement: Placement): void {
    if (!key.startsWith("shard/") || placement.state === "unassigned") return;
    const actor = SHARD + key.slice("shard/".length);
    this.#owners.set(`${actor} ${placement.epoch}`, placement.owner.host);
  }

  /** Epoch with which the actor began on the host. */
  of(actor: string, host: string): number | undefined {
    return this.#began.get(`${host} ${actor}`);
  }

  /** The host that the store has named for an epoch. */
  ownerOf(actor: string, epoch: number): string | undefined {
    return this.#owners.get(`${SHARD}${shardAt(actor)} ${epoch}`);
  }

  /** The present process of a host, in words. */
  processOf(host: string): string {
    return `process ${this.#processes.get(host) ?? 0} of ${host}`;
  }
}

/** The process that owns a shard; undefined where none does. */
export function ownerRunOf(placement: Placement): HostRun | undefined {
  return placement.state === "unassigned" ? undefined : placement.owner;
}

/** Whether an answer says that a shard has changed by gradients or removals. */
export function isApplied(actor: string, { kind }: Message, value: unknown): boolean {
  return actor.startsWith(SHARD) && (kind === "applyGradients" || kind === "removeRows") &&
    (value as { readonly applied: boolean }).applied;
}
