/**
 * A host of the simulated mesh for placement, by the real duties of hosts.
 */
import type {
  HostRun,
  MeshView,
  PlacedKey,
  PlacementChange,
} from "../../../mesh/ports/coordination.ts";
import { HostGoneError } from "../../../mesh/ports/coordination_errors.ts";
import { Coordinator } from "../../../mesh/runtime/coordination/coordinator.ts";
import {
  type ControllerRound,
  ControllerRounds,
} from "../../../mesh/placement/controller_rounds.ts";
import {
  dutiesOf,
  type Holding,
  type HostDuty,
  hostStep,
} from "../../../mesh/placement/host_duties.ts";
import { present } from "../../../structures/invariant.ts";
import {
  controllerOptions,
  descriptionOf,
  freshShard,
  type Learner,
  type Marks,
  type ModelShard,
  Refused,
  TTL_MS,
  Unreachable,
} from "./model.ts";
import { Process } from "./model_process.ts";

/** A host: renews its lease, may be the controller, and fulfils its duties. */
export class HostProcess extends Process {
  isCutOff = false;
  /** No other process reaches it, nor it them; the store does. */
  isUnlinked = false;
  incarnation = "";
  lastRound: ControllerRound | undefined;
  #shards = new Map<number, ModelShard>();
  #learners = new Map<number, Learner>();
  #duties: ReadonlyMap<PlacedKey, HostDuty> = new Map();
  #leaseUntilMs = 0;
  #run = 0;
  #mesh: Coordinator | undefined;
  /** Shards whose copy is under way, whether its state is of use or not. */
  readonly #copying = new Set<number>();

  get run(): HostRun {
    return { host: this.name, incarnation: this.incarnation };
  }

  /** Starts a process; after a kill, another one with the same name. */
  start(): void {
    this.alive = true;
    this.incarnation = this.world.uuid();
    this.#shards = new Map();
    this.#learners = new Map();
    this.#duties = new Map();
    this.#copying.clear();
    this.#leaseUntilMs = 0;
    const run = ++this.#run;
    this.#main(run);
  }

  kill(): void {
    this.alive = false;
    this.#run++;
  }

  async #main(run: number): Promise<void> {
    const { world } = this;
    const isRunning = () => run === this.#run && !world.stopped;
    const mesh = this.#mesh = world.coordination(this);
    const rounds = new ControllerRounds(mesh, this.run, {
      ...controllerOptions,
      ...world.options.controller,
    });
    const loop = async (everyMs: number, work: () => Promise<void>) => {
      while (isRunning()) {
        try {
          await work();
        } catch (error) {
          if (error instanceof HostGoneError && isRunning()) return this.start();
        }
        await world.clock.delay(everyMs);
        await this.awake();
      }
    };
    for (let joined = false; !joined && isRunning();) {
      const sentMs = world.clock.monotonicMs();
      await mesh.join(descriptionOf(this.run)).then(
        () => joined = true,
        () => world.clock.delay(500),
      );
      this.#leaseUntilMs = sentMs + TTL_MS;
    }
    loop(TTL_MS / 3, async () => {
      const sentMs = world.clock.monotonicMs();
      const load: Record<string, number> = {};
      for (const shard of this.#shards.keys()) load[`shard/${shard}.bytes`] = 2 ** 20;
      const unlinked = world.hosts.filter((host) =>
        host !== this && host.alive && (this.isUnlinked || host.isUnlinked)
      ).map(({ run }) => run);
      await mesh.renew(this.run, { load, unlinked });
      this.#leaseUntilMs = sentMs + TTL_MS;
    });
    loop(200, async () => void (this.lastRound = await rounds.round()));
    loop(100, async () => await this.#fulfil(mesh, await mesh.read(), isRunning));
  }

  // ---- duties

  async #fulfil(mesh: Coordinator, view: MeshView, isRunning: () => boolean): Promise<void> {
    await this.awake();
    if (!isRunning()) return;
    this.#duties = dutiesOf(view, this.run);
    for (let shard = 0; shard < this.world.options.shards; shard++) {
      for (let steps = 0; steps < 3 && this.#step(mesh, shard); steps++);
      this.#reportFrozen(shard, this.#duties.get(`shard/${shard}`));
    }
    for (const key of ["events/0", "events/1", "trainer/0", "trainer/1"] as const) {
      const duty = this.#duties.get(key);
      if (duty?.kind !== "restore") continue;
      const next = { state: "active", owner: this.run } as const;
      mesh.place({ by: this.run, changes: [{ key, expected: duty.placement, next }] })
        .catch(() => {});
    }
  }

  #holding(shard: number): Holding | undefined {
    const rows = this.#shards.get(shard);
    if (rows !== undefined) {
      const { epoch, givesTo, frozen, frozenAtMs } = rows;
      const frozenForMs = frozen ? this.world.clock.monotonicMs() - frozenAtMs : 0;
      return { kind: "rows", epoch, givesTo, frozenForMs };
    }
    const learner = this.#learners.get(shard);
    if (learner === undefined) return undefined;
    return { kind: "copy", ...learner };
  }

  /** Makes the next step for one shard; whether another one follows at once. */
  #step(mesh: Coordinator, shard: number): boolean {
    const key: PlacedKey = `shard/${shard}`;
    const step = hostStep(this.#duties.get(key), this.#holding(shard));
    switch (step.kind) {
      case "nothing":
        return false;
      case "drop":
        this.#shards.delete(shard);
        this.#learners.delete(shard);
        return true;
      case "restore":
        this.#restore(shard, step.epoch);
        return false;
      case "reportActive":
      case "takeOver": {
        const next = { state: "active", owner: this.run } as const;
        mesh.place({ by: this.run, changes: [{ key, expected: step.placement, next }] })
          .catch(() => {});
        return false;
      }
      case "abortMove": {
        const next = { state: "active", owner: this.run } as const;
        this.world.ownAborts++;
        mesh.place({ by: this.run, changes: [{ key, expected: step.placement, next }] })
          .catch(() => {});
        return false;
      }
      case "endGiving": {
        const rows = present(this.#shards.get(shard), "it gives rows");
        this.world.aborts++;
        rows.copy = rows.givesTo = undefined;
        rows.frozen = false;
        return false;
      }
      case "startCopy":
        this.#learn(shard, step.placement.epoch, step.owner);
        return false;
      case "promote": {
        const { id, marks } = present(this.#learners.get(shard), "it has a copy");
        this.#learners.delete(shard);
        const rows = freshShard(id, step.epoch, marks);
        this.#shards.set(shard, rows);
        this.world.takenOver(shard, rows);
        return false;
      }
      case "rejoin":
        this.world.violate(`${this.name} has no rows of shard ${shard} in epoch ${step.epoch}`);
        return false;
    }
  }

  /** A lost shard begins at the newest snapshot, whatever the other shards have applied since. */
  #restore(shard: number, epoch: number): void {
    const [newest] = this.world.snapshots;
    this.#learners.delete(shard);
    const marks = newest?.shards[shard] ?? new Map();
    this.#shards.set(shard, freshShard(this.world.uuid(), epoch, marks));
  }

  /** Copies a shard from its owner, in the background. */
  async #learn(shard: number, epoch: number, run: HostRun): Promise<void> {
    const { world } = this;
    const owner = world.hosts.find(({ incarnation }) => incarnation === run.incarnation);
    if (owner === undefined || this.#copying.has(shard)) return;
    this.#copying.add(shard);
    const { incarnation } = this;
    const copy = world.uuid();
    let learner: Learner | undefined;
    try {
      const begun = await world.call(
        this,
        owner,
        () => owner.copyBegin(shard, epoch, copy, this.run),
      );
      if (this.incarnation !== incarnation || this.#holding(shard) !== undefined) return;
      learner = { epoch, copy, verified: false, ...begun };
      this.#learners.set(shard, learner);
      await world.clock.delay(world.between(50, 2_000));
      await this.awake();
      const frozenMs = world.clock.monotonicMs();
      learner.marks = await world.call(this, owner, () => owner.freeze(shard, copy));
      learner.verified = true;
      world.freezeMsMax = Math.max(world.freezeMsMax, world.clock.monotonicMs() - frozenMs);
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      if (this.#learners.get(shard) === learner) this.#learners.delete(shard);
    } finally {
      this.#copying.delete(shard);
    }
  }

  // ---- messages

  copyBegin(
    shard: number,
    epoch: number,
    copy: string,
    target: HostRun,
  ): Pick<Learner, "id" | "marks"> {
    const has = this.#shards.get(shard);
    const duty = this.#duties.get(`shard/${shard}`);
    const isTarget = duty?.kind === "give" && duty.target.incarnation === target.incarnation;
    if (has === undefined || has.epoch !== epoch || !isTarget) {
      throw new Refused("absent");
    }
    // The target has dropped its earlier copy.
    has.copy = copy;
    has.givesTo = target;
    has.frozen = false;
    return { id: has.id, marks: new Map(has.marks) };
  }

  freeze(shard: number, copy: string): Marks {
    const has = this.#shards.get(shard);
    const duty = this.#duties.get(`shard/${shard}`);
    if (has === undefined || has.copy !== copy) throw new Refused("absent");
    if (!has.frozen) has.frozenAtMs = this.world.clock.monotonicMs();
    has.frozen = true;
    if (this.world.options.plant === "unfreezeByTimer") {
      this.world.clock.delay(300).then(() => has.frozen = false);
    }
    this.#reportFrozen(shard, duty);
    return new Map(has.marks);
  }

  #reportFrozen(shard: number, duty: HostDuty | undefined): void {
    const isFrozen = this.#shards.get(shard)?.frozen;
    if (!isFrozen || duty?.kind !== "give" || duty.phase !== "filling") return;
    const { placement } = duty;
    if (placement.state !== "moving") return;
    const next = { ...placement, phase: "frozen" } as const;
    const changes: PlacementChange[] = [{ key: `shard/${shard}`, expected: placement, next }];
    this.#mesh?.place({ by: this.run, changes }).catch(() => {});
  }

  cut(shard: number): Marks {
    const has = this.#shards.get(shard);
    if (has === undefined || has.frozen) throw new Refused("moving");
    return new Map(has.marks);
  }

  open(shard: number, source: string): { id: string; mark: number } {
    const has = this.#shards.get(shard);
    if (has === undefined) throw new Refused("absent");
    return { id: has.id, mark: has.marks.get(source) ?? 0 };
  }

  gradients(shard: number, source: string, sequence: number, id: string): void {
    const has = this.#shards.get(shard);
    if (has === undefined) throw new Refused("absent");
    if (has.frozen) throw new Refused("moving");
    if (this.world.clock.monotonicMs() >= this.#leaseUntilMs) throw new Refused("fenced");
    if (has.id !== id && this.world.options.plant !== "noFence") throw new Refused("restarted");
    const mark = has.marks.get(source) ?? 0;
    if (sequence <= mark) return;
    if (sequence !== mark + 1) {
      this.world.violate(`shard ${shard} got ${source} ${sequence} after ${mark}`);
    }
    has.marks.set(source, sequence);
    this.world.applied(this, shard, has);
  }
}
