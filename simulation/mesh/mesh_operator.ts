/**
 * The operator of a simulated mesh: commands to the coordination store, over links of their own.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { Coordination, MeshView } from "../../mesh/ports/coordination.ts";
import { movesOf, planMesh } from "../../mesh/placement/mesh_plan.ts";
import {
  cancelPlan,
  isPlanLast,
  lastPlan,
  movesBack,
  writeMoves,
} from "../../mesh/placement/plan_commands.ts";
import type { PlannedMove } from "../../mesh/placement/plan_document.ts";
import { ReshardRefusedError } from "../../mesh/ports/resharding.ts";
import { Coordinator } from "../../mesh/runtime/coordination/coordinator.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import type { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { present } from "../../structures/invariant.ts";
import { KeyedHash } from "../keyed_hash.ts";
import type { DrainHost, PlanCommand, ReshardMesh } from "../plan/mesh_fault.ts";
import { NodeClock } from "../world/node_clock.ts";
import type { WorldOptions } from "../world/world.ts";
import { RedisLink } from "./redis_link.ts";
import { SimulatedRecordStore } from "./simulated_record_store.ts";
import type { SimulatedRedis } from "./simulated_redis.ts";

/** Default time until an operator notices that Redis has lost data, ms. */
const NOTICE_MS = 2_000;
/** Pause between two attempts of the operator, ms. */
const RETRY_MS = 500;
/** Moves of each kind of a plan at the same time: as `mesh.movesMax`. */
const PLANNED_MOVES_MAX = 2;

export interface MeshOperatorParts {
  readonly options: Pick<WorldOptions, "seed" | "linkMs" | "syncMs">;
  readonly clock: VirtualClock;
  readonly redis: SimulatedRedis;
  /** The present configuration. */
  configuration(): CairnConfiguration;
  /** A command has failed; it is made again, unless its host is unknown. */
  onFailed(error: unknown): void;
  /** A drain begins, or has ended. */
  onDrains(host: string, isDraining: boolean): void;
  /** A command about plans begins. */
  onBegan(command: PlanCommand): void;
  /** The store has taken a command about plans, with these moves; undefined = nothing to do. */
  onTaken(command: PlanCommand, moves: readonly PlannedMove[] | undefined): void;
}

export class MeshOperator {
  readonly #parts: MeshOperatorParts;
  readonly #clock: NodeClock;
  /** Commands under way: to accept losses, to begin and end drains. */
  #operations = 0;
  #links = 0;
  /** Hosts that are drained, until the end of their drains. */
  readonly #draining = new Set<string>();
  /** Hosts of which the drains outlast the run. */
  readonly #staying = new Set<string>();
  /** Resolves after the last command about plans. */
  #planned = Promise.resolve();

  constructor(parts: MeshOperatorParts) {
    this.#parts = parts;
    this.#clock = new NodeClock(parts.clock, () => {});
  }

  /** Whether a command is under way, or a loss is to be noticed. */
  get isAtWork(): boolean {
    return this.#operations > 0;
  }

  /**
   * Acts when the operator has noticed a loss.
   *
   * @param afterMs Time until then, ms.
   */
  notice(act: () => void, afterMs = NOTICE_MS): void {
    this.#operations++;
    this.#parts.clock.schedule(afterMs, () => {
      this.#operations--;
      act();
    });
  }

  /** Makes a command, again until it is answered. */
  run(command: (mesh: Coordination) => Promise<void>): void {
    this.#operations++;
    const attempt = () => {
      command(this.coordination()).then(() => this.#operations--, (error) => {
        this.#parts.onFailed(error);
        if ((error as Error).name === "UnknownHostError") this.#operations--;
        else this.#clock.schedule(RETRY_MS, attempt);
      });
    };
    attempt();
  }

  /** Drains a host, for a time or for good. */
  drain({ host, forMs, stays }: DrainHost): void {
    this.#draining.add(host);
    if (stays) this.#staying.add(host);
    this.#setHostState(host);
    if (!stays) this.#parts.clock.schedule(forMs, () => this.#undrain(host));
  }

  /** Ends all drains now, but for those that stay. */
  endDrains(): void {
    for (const host of this.#draining) this.#undrain(host);
  }

  #undrain(host: string): void {
    if (!this.#staying.has(host) && this.#draining.delete(host)) this.#setHostState(host);
  }

  /** The last command may overtake one before it, which then sets the state anew. */
  #setHostState(host: string): void {
    const wanted = () => this.#draining.has(host) ? "draining" : "up";
    if (this.#draining.has(host)) this.#parts.onDrains(host, true);
    this.run(async (mesh) => {
      let state: "draining" | "up";
      do {
        state = wanted();
        await mesh.setHostState(host, state);
      } while (state !== wanted());
      if (state === "up") this.#parts.onDrains(host, false);
    });
  }

  /** Asks for another number of parts, and takes that back after `cancelMs`, if it is given. */
  reshard({ cancelMs, ...change }: ReshardMesh): void {
    this.run((mesh) => askReshard(mesh, change));
    if (cancelMs === undefined) return;
    this.#parts.clock.schedule(cancelMs, () => this.run(cancelReshard));
  }

  /** Makes a command about plans, after those before it. One that fails is not made again. */
  command(command: PlanCommand): void {
    this.#operations++;
    this.#planned = this.#planned.then(async () => {
      this.#parts.onBegan(command);
      try {
        this.#parts.onTaken(command, await planSteps[command](this.coordination()));
      } catch (error) {
        this.#parts.onFailed(error);
      }
      this.#operations--;
    });
  }

  /** Ends all attempts: the world ends. */
  kill(): void {
    this.#clock.revoke();
  }

  /** The coordination store as a new process of the operator reaches it. */
  coordination(): Coordination {
    const { options: { seed, linkMs, syncMs }, clock, redis } = this.#parts;
    const { leaseMs } = present(this.#parts.configuration().mesh, "a mesh has leases");
    return new Coordinator({
      store: new SimulatedRecordStore(
        new RedisLink({
          server: redis,
          base: clock,
          clock: this.#clock,
          latency: new KeyedHash(seed, `redis/operator/${this.#links++}`),
          latencyMs: linkMs,
          syncMs,
          extraMs: () => 0,
          isCut: () => false,
          losesAnswers: () => false,
          deadlineMs: 1_000,
        }),
      ),
      random: new SeededRandom(seed),
      hostTtlMs: leaseMs,
      controlTtlMs: leaseMs,
    });
  }
}

/** Asks for a change that the mesh has room for, unless it has these numbers already. */
async function askReshard(
  mesh: Coordination,
  { parts, to, trainers, overrides }: Omit<ReshardMesh, "cancelMs">,
): Promise<void> {
  const { identity } = await mesh.read();
  if (parts === "partitions") {
    // Each joiner keeps at least as many partitions of examples as there are trainers.
    const examples = to * Math.ceil((trainers ?? identity.trainers) / to);
    if (identity.eventPartitions === to) return;
    await mesh.askReshard({ parts, to, examples, trainers });
    return;
  }
  const most = parts === "shards" ? Infinity : identity.examplePartitions;
  if (identity[parts] !== Math.min(to, most)) {
    const override = overrides && { override: "a trainer cannot begin" };
    await mesh.askReshard({ parts, to: Math.min(to, most), ...override });
  }
}

/** Takes back a change that has not begun. */
async function cancelReshard(mesh: Coordination): Promise<void> {
  const { reshard } = await mesh.read();
  if (reshard?.state !== "asked") return;
  await mesh.cancelReshard().catch((error) => {
    if (!(error instanceof ReshardRefusedError)) throw error; // it has begun meanwhile
  });
}

/** Writes a plan; its moves. */
async function writePlan(
  mesh: Coordination,
  view: MeshView,
  kind: "apply" | "rollback",
  moves: readonly PlannedMove[],
): Promise<readonly PlannedMove[]> {
  return (await writeMoves(mesh, view, { kind, moves, movesMax: PLANNED_MOVES_MAX })).moves;
}

/** The moves of a command that the store has taken; undefined where it had nothing to do. */
type PlanStep = (mesh: Coordination) => Promise<readonly PlannedMove[] | undefined>;

const planSteps: Readonly<Record<PlanCommand, PlanStep>> = {
  async apply(mesh) {
    const view = await mesh.read();
    return await writePlan(mesh, view, "apply", movesOf(planMesh(view, Infinity)));
  },
  async cancel(mesh) {
    const view = await mesh.read();
    if (view.reshard?.state === "asked") return void await cancelReshard(mesh);
    if (lastPlan(view)?.state !== "active") return undefined;
    await cancelPlan(mesh, view);
    return [];
  },
  async rollback(mesh) {
    const view = await mesh.read();
    const plan = lastPlan(view);
    if (plan === undefined || !isPlanLast(view, plan)) return undefined;
    return await writePlan(mesh, view, "rollback", movesBack(view, plan));
  },
};
