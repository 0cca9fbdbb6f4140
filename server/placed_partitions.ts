/**
 * A host's partitions of the logs: makes the joiner or the trainer of each partition that the
 * coordination store gives to this host, and ends it when the partition goes elsewhere.
 *
 * Joiners and trainers work under the epoch of their placement, which fences their effects: the
 * example log takes appends of the newest epoch only, and shards open no stream of gradients for an
 * older one. While the host's lease is not renewed they stand still, since another host may have
 * the partition soon.
 */
import type { JoinerMessage } from "../actors/joiner/protocol.ts";
import type { TrainerMessage } from "../actors/trainer/protocol.ts";
import type { Coordination, HostRun, MeshView, PlacedKey } from "../mesh/ports/coordination.ts";
import { PlacementConflictError } from "../mesh/ports/coordination_errors.ts";
import { dutiesOf, type HostDuty } from "../mesh/placement/host_duties.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";
import type { Mesh, PlannedActor } from "../mesh/runtime/mesh.ts";

export interface PlacedPartitionsOptions {
  readonly mesh: Mesh;
  readonly coordination: Coordination;
  readonly run: HostRun;
  /** The joiner or trainer of a partition on this host, under the epoch of its placement. */
  readonly actorOf: (key: PlacedKey, epoch: number) => PlannedActor;
}

interface Running {
  readonly address: Address;
  readonly epoch: number;
}

export class PlacedPartitions {
  readonly #options: PlacedPartitionsOptions;
  readonly #running = new Map<PlacedKey, Running>();
  /** Starts, ends and reports under way; the next look leaves their partitions alone. */
  readonly #busy = new Map<PlacedKey, Promise<void>>();
  readonly #logged = new Map<PlacedKey, string>();
  #isLeased = true;

  constructor(options: PlacedPartitionsOptions) {
    this.#options = options;
  }

  /** The joiners and trainers that run here. */
  get running(): ReadonlyMap<PlacedKey, Address> {
    return new Map([...this.#running].map(([key, { address }]) => [key, address]));
  }

  /** Begins the next step for each partition. */
  fulfil(view: MeshView): void {
    const duties = dutiesOf(view, this.#options.run);
    const keys = new Set([...duties.keys(), ...this.#running.keys()]);
    for (const key of keys) {
      if (key.startsWith("shard/") || this.#busy.has(key)) continue;
      const step = this.#fulfilOne(key, duties.get(key));
      if (step === undefined) continue;
      const task = step.then(() => void this.#logged.delete(key), (error) => this.#log(key, error))
        .finally(() => this.#busy.delete(key));
      this.#busy.set(key, task);
    }
  }

  /** Lets all joiners and trainers of this host stand still, or go on. */
  setLeased(isLeased: boolean): void {
    this.#isLeased = isLeased;
    for (const { address } of this.#running.values()) this.#tellLease(address);
  }

  /** Resolves when the starts and ends under way are done. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#busy.values());
  }

  #fulfilOne(key: PlacedKey, duty: HostDuty | undefined): Promise<void> | undefined {
    const running = this.#running.get(key);
    const epoch = duty?.placement.epoch;
    if (running !== undefined && running.epoch !== epoch) return this.#end(key, running, !duty);
    if (duty === undefined) return undefined;
    if (running === undefined) return this.#start(key, duty.placement.epoch);
    return duty.kind === "restore" ? this.#reportActive(key, duty) : undefined;
  }

  async #start(key: PlacedKey, epoch: number): Promise<void> {
    const { mesh, actorOf } = this.#options;
    const actor = actorOf(key, epoch);
    const address: Address = `${actor.kind}/${actor.key}`;
    await mesh.spawn(actor);
    this.#running.set(key, { address, epoch });
    if (!this.#isLeased) this.#tellLease(address);
  }

  async #end(key: PlacedKey, { address }: Running, hasMoved: boolean): Promise<void> {
    await this.#options.mesh.end(address, 0, hasMoved);
    this.#running.delete(key);
  }

  async #reportActive(key: PlacedKey, { placement }: HostDuty): Promise<void> {
    const { coordination, run } = this.#options;
    const next = { state: "active", owner: run } as const;
    try {
      await coordination.place({ by: run, changes: [{ key, expected: placement, next }] });
    } catch (error) {
      if (!(error instanceof PlacementConflictError)) throw error;
    }
  }

  #tellLease(address: Address): void {
    const actor = this.#options.mesh.actorRef<JoinerMessage | TrainerMessage>(address);
    actor.tell({ kind: "setLeased", isLeased: this.#isLeased });
  }

  /** Logs a failure once for as long as it is the same. */
  #log(key: PlacedKey, error: unknown): void {
    const reason = reasonOf(error);
    if (this.#logged.get(key) === reason) return;
    this.#logged.set(key, reason);
    const { telemetry } = this.#options.mesh.home;
    telemetry.log("warn", `placing ${key} failed and is tried again`, { reason });
  }
}
