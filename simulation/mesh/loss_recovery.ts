/**
 * The operator of a simulated mesh after a loss: restarts hosts that refuse to write, goes back to
 * a snapshot, and has the mesh accept what is lost, as the errors ask for.
 */
import {
  ExamplesLostError,
  ExamplesTrimmedError,
  requireExamples,
} from "../../actors/trainer/resume_point.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { Coordination, MeshView } from "../../mesh/ports/coordination.ts";
import type { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { exampleBegin } from "../../records/example_begin.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import type { TrainerPart } from "../../records/snapshot_parts.ts";
import type { RecoverMesh } from "../plan/mesh_fault.ts";
import { HostBlobs } from "../../server/host_blobs.ts";
import { KeyedHash } from "../keyed_hash.ts";
import { NodeClock } from "../world/node_clock.ts";
import type { WorldOptions } from "../world/world.ts";
import type { HostProcesses } from "./host_processes.ts";
import type { MeshOperator } from "./mesh_operator.ts";
import type { SharedBlobs } from "./shared_blobs.ts";
import type { SimulatedRedis } from "./simulated_redis.ts";

/** Looks of an operator at the hosts, after a loss, and the pause between two of them, ms. */
const REFUSING_LOOKS = 12;
const LOOK_MS = 500;
/** Time for which a host that the operator restarts is down, ms. */
const RESTART_MS = 200;

export interface LossRecoveryParts {
  readonly options: Pick<WorldOptions, "seed" | "syncMs">;
  readonly clock: VirtualClock;
  readonly redis: SimulatedRedis;
  readonly blobs: SharedBlobs;
  readonly processes: HostProcesses;
  readonly operator: MeshOperator;
  /** The present configuration. */
  configuration(): CairnConfiguration;
  /** All that the coordination store has of the mesh now; undefined before the mesh is opened. */
  view(): MeshView | undefined;
  note(what: string): void;
  /** As of a checker. */
  examplesGivenUp(partition: number, row: number): void;
}

export class LossRecovery {
  readonly #parts: LossRecoveryParts;
  /** Processes of the operator that have had the blob store. */
  #operations = 0;

  constructor(parts: LossRecoveryParts) {
    this.#parts = parts;
  }

  /**
   * The operator restarts hosts that refuse to write, one after another; where the examples of a
   * snapshot are lost, it does as their errors ask.
   */
  restartRefusing(looks = REFUSING_LOOKS): void {
    const { operator, blobs, processes } = this.#parts;
    operator.run(async () => {
      if (await blobs.hasLostSnapshots((part) => this.#hasExamplesOf(part))) {
        return this.acceptLoss();
      }
      const isRestarting = processes.all.some((known) => known.isRestarting);
      const refusing = processes.all.find(({ current }) => current?.refusesWrites);
      if (!isRestarting && refusing !== undefined) processes.restart(refusing.name, RESTART_MS);
      // A host notices the loss with its next command.
      const left = isRestarting || refusing !== undefined ? looks : looks - 1;
      if (left > 0) operator.notice(() => this.restartRefusing(left), LOOK_MS);
    });
  }

  /**
   * As the errors ask for: the operator stops every process, goes back to a snapshot whose
   * examples the logs have, accepts the loss of the records, and starts the processes again.
   */
  acceptLoss(): void {
    const { note, operator, blobs, processes } = this.#parts;
    note("acceptLoss");
    const stopped = processes.all.filter(({ current }) => current !== undefined);
    for (const known of stopped) {
      known.isRestarting = true;
      processes.die(known, false);
    }
    operator.run(async (coordination) => {
      await blobs.deleteLostSnapshots((part) => this.#hasExamplesOf(part));
      await this.#accept(coordination);
      for (const known of stopped) processes.startIfDown(known);
    });
  }

  /** Snapshots are lost, and the operator goes on with what is left while the hosts run. */
  goBack({ lost }: RecoverMesh): void {
    const { note, operator, blobs } = this.#parts;
    note("goBack");
    blobs.loseSnapshots(lost);
    operator.run(async (coordination) => {
      await this.#accept(coordination);
      operator.notice(() => this.#acceptTrimmed(), LOOK_MS);
    });
  }

  /** A host may have trimmed the example log meanwhile: its trainers ask for the same again. */
  #acceptTrimmed(): void {
    this.#parts.operator.run(async (coordination) => {
      const { examplesFrom = [] } = this.#parts.view() ?? {};
      const lacking = this.#lackingBefore(await this.#examplesFrom());
      const isMore = lacking.some((row, partition) => row > (examplesFrom[partition] ?? 0));
      if (isMore) await this.#accept(coordination);
    });
  }

  async #accept(coordination: Coordination): Promise<void> {
    const { identity } = this.#parts.view() ?? {};
    // Redis may have lost the mesh itself: its hosts make it anew.
    if (identity === undefined) return;
    const examplesFrom = await this.#examplesFrom();
    for (const [partition, row] of this.#lackingBefore(examplesFrom).entries()) {
      if (row > 0) this.#parts.examplesGivenUp(partition, row);
    }
    const { mesh } = identity;
    const newestSnapshot = this.#parts.blobs.newest?.name;
    const blobs = this.#blobsOfOperator();
    await blobs.accept({ coordination, mesh, newestSnapshot, examplesFrom });
  }

  /** The example log as an operator reads it. */
  get #examples() {
    const { redis, configuration } = this.#parts;
    const log = redis.log("examples", configuration().partitions.examples);
    return {
      partitions: log.partitions,
      endOffset: (partition: number) => Promise.resolve(log.endOffset(partition)),
      read: (...asked: Parameters<typeof log.read>) => Promise.resolve(log.read(...asked)),
    };
  }

  /** The row at which each partition of the example log begins. */
  async #examplesFrom(): Promise<number[]> {
    const log = this.#examples;
    const partitions = Array.from({ length: log.partitions }, (_, partition) => partition);
    const begins = await Promise.all(partitions.map((each) => exampleBegin(log, each)));
    return begins.map((begin) => begin?.row ?? 0);
  }

  /** By partition, the row before which log and newest snapshot lack examples; 0 = none. */
  #lackingBefore(examplesFrom: readonly number[]): number[] {
    const { newest } = this.#parts.blobs;
    return examplesFrom.map((row, partition) => {
      const source = gradientSource(partition);
      const part = newest?.trainers.find((each) => each.source === source);
      return row > (part?.sequence ?? 0) ? row : 0;
    });
  }

  /** Whether the example log has the chunks before the cut of a snapshot's part, and all after. */
  async #hasExamplesOf(part: TrainerPart): Promise<boolean> {
    try {
      await requireExamples(this.#examples, part);
      return true;
    } catch (error) {
      if (error instanceof ExamplesLostError || error instanceof ExamplesTrimmedError) return false;
      throw error;
    }
  }

  /** The blob store as a new process of an operator reaches it. */
  #blobsOfOperator(): HostBlobs {
    const { options: { seed, syncMs }, clock, blobs } = this.#parts;
    const incarnation = `operator-${this.#operations++}`;
    const latency = new KeyedHash(seed, `blobs/${incarnation}`);
    const reached = blobs.for(new NodeClock(clock, () => {}), latency, syncMs);
    return new HostBlobs({
      blobs: reached,
      place: "the store",
      run: { host: "operator", incarnation },
    });
  }
}
