/**
 * A host's partitions of the logs: makes the joiner or the trainer of each partition that the
 * coordination store gives to this host, with the actors that follow it, and ends them when the
 * partition goes elsewhere. Feature keepers follow joiners; parameter sync and the snapshotter
 * follow the first trainer.
 *
 * Joiners and trainers work under the epoch of their placement, which fences their effects: the
 * example log takes appends of the newest epoch only, and shards open no stream of gradients for an
 * older one; keepers write their checkpoints under it. While the host's lease is not renewed they
 * stand still, since another host may have the partition soon.
 */
import type { Coordination, HostRun, MeshView, PlacedKey } from "../mesh/ports/coordination.ts";
import type { ReaderKey } from "../mesh/placement/mesh_views.ts";
import { dutiesOf, type HostDuty } from "../mesh/placement/host_duties.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import type { Mesh, PlannedActor } from "../mesh/runtime/mesh.ts";
import type { SetLeased } from "../mesh/runtime/set_leased.ts";
import { Backoffs, startPauseMs } from "./backoffs.ts";
import { reportPlacement } from "./report_placement.ts";
import type { UnplacedParts } from "./unplaced_parts.ts";

export interface PlacedPartitionsOptions {
  readonly mesh: Mesh;
  readonly coordination: Coordination;
  readonly run: HostRun;
  readonly unplaced: UnplacedParts;
  /**
   * The joiner or trainer of a key on this host, under the epoch of its placement, and the actors
   * that follow it.
   */
  readonly actorsOf: (key: PlacedKey, epoch: number, view: MeshView) => readonly PlannedActor[];
}

interface Running {
  readonly key: PlacedKey;
  readonly epoch: number;
  /** Whether it is the joiner or trainer itself, and follows none. */
  readonly leads: boolean;
}

/** An actor that is to run here. */
interface Wanted extends Running {
  readonly actor: PlannedActor;
  readonly duty: HostDuty;
}

export class PlacedPartitions {
  readonly #options: PlacedPartitionsOptions;
  readonly #starts: Backoffs<Address>;
  readonly #running = new Map<Address, Running>();
  /** Starts, ends and reports under way; the next look leaves their actors alone. */
  readonly #busy = new Map<Address, Promise<void>>();
  #isLeased = true;

  constructor(options: PlacedPartitionsOptions) {
    this.#options = options;
    this.#starts = new Backoffs(options.mesh.home.clock, startPauseMs);
  }

  /** The readers of logs that run here. */
  get readers(): ReadonlyMap<ReaderKey, Address> {
    const readers = new Map<ReaderKey, Address>();
    for (const [address, { key, leads }] of this.#running) {
      const [kind, number] = address.split("/");
      if (leads) readers.set(key, address);
      else if (kind === "feature_keeper") readers.set(`keeper/${Number(number)}`, address);
    }
    return readers;
  }

  /** Begins the next step for each partition. */
  fulfil(view: MeshView): void {
    const { unplaced } = this.#options;
    const wanted = this.#wanted(view);
    const addresses = new Set([...wanted.keys(), ...this.#running.keys()]);
    for (const address of addresses) {
      if (this.#busy.has(address)) continue;
      const step = this.#fulfilOne(address, wanted.get(address));
      if (step === undefined) continue;
      const task = step.then(
        () => unplaced.succeeded(address),
        (error) => unplaced.failed(address, error),
      ).finally(() => this.#busy.delete(address));
      this.#busy.set(address, task);
    }
  }

  /** The actors that are to run here. */
  #wanted(view: MeshView): Map<Address, Wanted> {
    const wanted = new Map<Address, Wanted>();
    for (const [key, duty] of dutiesOf(view, this.#options.run)) {
      if (key.startsWith("shard/")) continue;
      const { epoch } = duty.placement;
      this.#options.actorsOf(key, epoch, view).forEach((actor, i) => {
        const address: Address = `${actor.kind}/${actor.key}`;
        wanted.set(address, { key, epoch, leads: i === 0, actor, duty });
      });
    }
    return wanted;
  }

  /** Lets all joiners and trainers of this host, and what follows them, stand still or go on. */
  setLeased(isLeased: boolean): void {
    this.#isLeased = isLeased;
    for (const address of this.#running.keys()) this.#tellLease(address);
  }

  /**
   * Ends the actors that follow others: with its end a feature keeper that has a lease writes its
   * last checkpoint. One that takes longer than an end may take goes on with it.
   */
  async endFollowers(): Promise<void> {
    const followers = [...this.#running].filter(([, { leads }]) => !leads);
    // At once, so that none of them is told of a lease that ends.
    for (const [address] of followers) this.#running.delete(address);
    await Promise.allSettled(followers.map(([address]) => this.#options.mesh.end(address, 0)));
  }

  /** Resolves when the starts and ends under way are done. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#busy.values());
  }

  #fulfilOne(address: Address, wanted: Wanted | undefined): Promise<void> | undefined {
    const running = this.#running.get(address);
    if (running !== undefined && running.epoch !== wanted?.epoch) {
      return this.#end(address, wanted === undefined);
    }
    if (wanted === undefined) return void this.#starts.end(address);
    if (running === undefined) {
      if (this.#starts.isPausing(address)) return undefined;
      return this.#starts.during(address, () => this.#start(address, wanted));
    }
    const { key, duty, leads } = wanted;
    return leads && duty.kind === "restore" ? this.#reportActive(key, duty) : undefined;
  }

  async #start(address: Address, { actor, key, epoch, leads }: Wanted): Promise<void> {
    await this.#options.mesh.spawn(actor);
    this.#running.set(address, { key, epoch, leads });
    if (!this.#isLeased) this.#tellLease(address);
  }

  async #end(address: Address, hasMoved: boolean): Promise<void> {
    await this.#options.mesh.end(address, 0, hasMoved);
    this.#running.delete(address);
  }

  async #reportActive(key: PlacedKey, { placement }: HostDuty): Promise<void> {
    const { coordination, run } = this.#options;
    const next = { state: "active", owner: run } as const;
    await reportPlacement(coordination, run, { key, expected: placement, next });
  }

  #tellLease(address: Address): void {
    // By its address another host's actor would be told, once that host has the partition.
    this.#options.mesh.tellOwn<SetLeased>(address, {
      kind: "setLeased",
      isLeased: this.#isLeased,
    });
  }
}
