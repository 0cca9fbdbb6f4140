/**
 * The parts of the simulated mesh for placement: shards reduced to the marks of their sources,
 * snapshots of them, and the reasons why a message fails.
 */
import type {
  HostDescription,
  HostRun,
  HostTerms,
  MeshSettings,
} from "../../../mesh/ports/coordination.ts";
import type { ControllerOptions } from "../../../mesh/placement/controller.ts";

/** A defect that is planted to see that the checks find it. */
export type Plant = "unfreezeByTimer" | "publishUnfenced" | "noFence";

export interface WorldOptions {
  readonly seed: number;
  readonly hosts: number;
  readonly shards: number;
  readonly controller?: Partial<ControllerOptions>;
  readonly plant?: Plant;
}

export const TTL_MS = 3_000;

/** The options of a controller, where a world does not say otherwise. */
export const controllerOptions: ControllerOptions = {
  spreadMax: 0.1,
  movesMax: 2,
  balances: true,
  patienceMs: TTL_MS,
  frozenMsMax: 1_000,
  fillingMsMax: 20_000,
  restoringMsMax: 20_000,
};

type OpenedMesh = MeshSettings & HostTerms;

/** The settings with which a mesh is opened; it has none of the parts that are not given. */
export function meshSettings(settings: Partial<OpenedMesh>): OpenedMesh {
  return {
    shards: 0,
    eventPartitions: 0,
    examplePartitions: 0,
    trainers: 0,
    configuration: {},
    secrets: [],
    protocols: [1, 1],
    ...settings,
  };
}

/** A host as it joins. */
export function descriptionOf(run: HostRun): HostDescription {
  return {
    ...run,
    address: run.host,
    roles: ["shards", "trainer", "joiner"],
    capacityBytes: 2 ** 30,
    threads: { serving: 0, trainers: 0, shards: 0 },
    configuration: {},
    ownSections: {},
    version: "1",
    planFormat: 7,
    secrets: [],
    protocols: [1, 1],
  };
}

export type Marks = Map<string, number>;

export interface ModelShard {
  epoch: number;
  /** Identity of the shard's state: a live move keeps it, a restore makes another. */
  id: string;
  marks: Marks;
  copy: string | undefined;
  givesTo: HostRun | undefined;
  frozen: boolean;
  frozenAtMs: number;
}

/** A shard as it begins with these marks. */
export function freshShard(id: string, epoch: number, marks: Marks): ModelShard {
  const none = { copy: undefined, givesTo: undefined, frozen: false, frozenAtMs: 0 };
  return { epoch, id, marks: new Map(marks), ...none };
}

export interface Learner {
  readonly epoch: number;
  readonly copy: string;
  readonly id: string;
  marks: Marks;
  verified: boolean;
}

/** A snapshot as restoring shards and trainers read it. */
export interface Snapshot {
  /** Marks of each shard. */
  readonly shards: readonly Marks[];
  /** Sequence of each trainer, by its name. */
  readonly trainers: Marks;
}

/** Why a shard refuses; the trainer asks again. */
export class Refused extends Error {
  constructor(readonly why: "absent" | "moving" | "restarted" | "fenced") {
    super(why);
  }
}

export class Unreachable extends Error {}
