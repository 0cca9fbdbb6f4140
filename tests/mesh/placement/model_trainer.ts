/**
 * A trainer of the simulated mesh for placement.
 */
import type { MeshView, PlacedKey } from "../../../mesh/ports/coordination.ts";
import { Refused, Unreachable } from "./model.ts";
import { Process } from "./model_process.ts";

/** A trainer: every shard acknowledges a sequence before the next one. */
export class Trainer extends Process {
  done = 0;
  #view: MeshView | undefined;
  #ids: string[] = [];
  #holds = false;
  #isHolding = false;
  #epochs = new Map<number, number>();

  start(): void {
    const mesh = this.world.coordination(this);
    const { clock } = this.world;
    const refresh = async () => {
      while (!this.world.stopped) {
        await mesh.read().then((view) => {
          view.placements.forEach(({ epoch }, key) => this.#seeEpoch(key, epoch));
          this.#view = view;
        }, () => {});
        await clock.delay(150);
      }
    };
    refresh();
    this.#train();
  }

  /** A reader of placements never sees an epoch go back. */
  #seeEpoch(key: PlacedKey, epoch: number): void {
    if (!key.startsWith("shard/")) return;
    const shard = Number(key.slice("shard/".length));
    const before = this.#epochs.get(shard) ?? 0;
    if (epoch < before) this.world.violate(`shard ${shard} went back to epoch ${epoch}`);
    this.#epochs.set(shard, epoch);
  }

  /** Resolves when the trainer stands between two sequences. */
  async hold(): Promise<void> {
    this.#holds = true;
    for (let waitedMs = 0; !this.#isHolding; waitedMs += 20) {
      if (waitedMs > 2_000) throw new Unreachable("the trainer does not hold still");
      await this.world.clock.delay(20);
    }
  }

  release(): void {
    this.#holds = false;
  }

  async #train(): Promise<void> {
    const { clock } = this.world;
    while (!this.world.stopped) {
      try {
        await this.#open();
        for (;;) {
          await this.awake();
          while (this.#holds) {
            this.#isHolding = true;
            await clock.delay(10);
          }
          this.#isHolding = false;
          if (this.world.stopped) return;
          await this.#step(this.done + 1);
          this.done++;
        }
      } catch (error) {
        this.#isHolding = false;
        if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
        await clock.delay(100);
      }
    }
  }

  async #open(): Promise<void> {
    const view = this.#view;
    if (view === undefined) throw new Unreachable("no view yet");
    const opened = await Promise.all(
      Array.from({ length: this.world.options.shards }, async (_, shard) => {
        const owner = this.world.ownerOf(view, shard);
        return await this.world.call(this, owner, () => owner.open(shard, this.name));
      }),
    );
    this.#ids = opened.map(({ id }) => id);
    this.done = this.#resumeAt(Math.min(...opened.map(({ mark }) => mark)));
  }

  /** The newest snapshot that all shards have reached; those ahead of it drop their rows. */
  #resumeAt(mark: number): number {
    const { snapshots } = this.world;
    if (snapshots.length === 0) return 0;
    const starts = snapshots.map(({ trainers }) => trainers.get(this.name) ?? 0);
    const start = starts.find((sequence) => sequence <= mark);
    if (start !== undefined) return start;
    this.world.violate(`${this.name} is at ${mark}, before every snapshot (${starts})`);
    return mark;
  }

  async #step(sequence: number): Promise<void> {
    await Promise.all(this.#ids.map(async (id, shard) => {
      for (;;) {
        if (this.world.stopped) return;
        const view = this.#view;
        try {
          const owner = this.world.ownerOf(view as MeshView, shard);
          await this.world.call(
            this,
            owner,
            () => owner.gradients(shard, this.name, sequence, id),
          );
          this.world.acknowledged(shard, id, this.name, sequence);
          return;
        } catch (error) {
          const isRefused = error instanceof Refused;
          if (!isRefused && !(error instanceof Unreachable)) throw error;
          if (isRefused && error.why === "restarted") throw error;
          await this.world.clock.delay(30);
        }
      }
    }));
  }
}
