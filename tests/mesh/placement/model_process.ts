/**
 * A process of the simulated mesh for placement, and the store as it reaches it.
 */
import {
  type RecordRule,
  RecordsLostError,
  type RecordStore,
  RecordStoreUnavailableError,
  type TransactOptions,
} from "../../../mesh/ports/record_store.ts";
import type { PlacementWorld } from "./placement_world.ts";
import type { HostProcess } from "./model_host.ts";

/** A process that can be paused and killed. */
export class Process {
  alive = true;
  #pause: Promise<void> | undefined;

  constructor(readonly world: PlacementWorld, readonly name: string) {}

  /** Does nothing for `ms`: neither handles messages nor goes on after an answer. */
  pause(ms: number): void {
    this.#pause = this.world.clock.delay(ms);
    this.#pause.then(() => this.#pause = undefined);
  }

  /** A process that has seen nothing of the store yet. */
  fresh(): Process {
    return new Process(this.world, `${this.name} anew`);
  }

  async awake(): Promise<void> {
    while (this.#pause !== undefined) await this.#pause;
  }
}

/** The store as one process reaches it. */
export class ProcessStore implements RecordStore {
  #seen = 0;

  constructor(readonly world: PlacementWorld, readonly process: Process) {}

  async transact<R>(rule: RecordRule<R>, options?: TransactOptions): Promise<R> {
    const { world, process } = this;
    await world.clock.delay(world.between(1, 20));
    await process.awake();
    if (world.storeIsAway || (process as Partial<HostProcess>).isCutOff) {
      await world.clock.delay(100);
      throw new RecordStoreUnavailableError("the store", "away");
    }
    let found = 0;
    const result = await world.store.transact((view) => {
      found = view.revision;
      if (found < this.#seen) throw new RecordsLostError("the store", this.#seen, found);
      return rule(view);
    }, options);
    this.#seen = Math.max(this.#seen, found);
    await world.clock.delay(world.between(1, 20));
    await process.awake();
    if (world.chance(0.01)) throw new RecordStoreUnavailableError("the store", "answer lost");
    return result;
  }

  watch(since: number): Promise<number> {
    return Promise.resolve(since);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
