/**
 * Draws a run's faults ahead of the run. Every family draws from a stream of its own, as episodes:
 * a family that is switched off, or a fault that is left out, changes no other.
 *
 * Swarm testing: each family is on or off by a coin, and its rate is log-uniform, so that some runs
 * see one fault in a quiet world and others a storm of one kind.
 *
 * @see Groce, Zhang, Eide, Chen, Regehr, "Swarm Testing", ISSTA 2012
 */
import type { RandomStream } from "../../mesh/ports/random.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import type { Fault, FaultFamily } from "./fault.ts";
import { faultFamilies } from "./fault.ts";
import { meshFault } from "./mesh_fault_plan.ts";
import { chosen, logUniform, whole } from "./draws.ts";
import { drawAheadMs, REDIS_CLOCK } from "./host_clocks.ts";

/** The parts of a world that faults can strike. */
export interface FaultTargets {
  readonly nodes: readonly string[];
  readonly actors: readonly string[];
  /** Messages at which something may happen. */
  readonly interruptible: readonly Interruptible[];
  /** Changes of configuration that a restart may bring, each by path. */
  readonly reconfigurations: readonly Readonly<Record<string, unknown>>[];
  /** Names of the hosts of a mesh; empty = one process. */
  readonly hosts: readonly string[];
}

/** An actor and messages to it. */
export interface Interruptible {
  readonly node: string;
  readonly actor: string;
  /** Kinds; empty = any. */
  readonly messages: readonly string[];
}

/** How a plan is drawn. */
export interface FaultPlanOptions {
  readonly seed: number;
  /** Faults begin before this time, ms. */
  readonly forMs: number;
  readonly targets: FaultTargets;
  /** Families that are always on; the others are off. Undefined: a coin decides for each. */
  readonly families?: readonly FaultFamily[];
}

/** Families that strike a mesh alone, and families that strike one process and a mesh alike. */
const meshFamilies: readonly FaultFamily[] = [
  "hosts",
  "partitions",
  "redis",
  "drains",
  "reshards",
  "controllers",
  "commands",
];
const sharedFamilies: readonly FaultFamily[] = [
  "actors",
  "threads",
  "interrupts",
  "disk",
  "clock",
  "clients",
];
/** Mean time between two faults of a family, ms: log-uniform between these. */
const BETWEEN_MS_MIN = 1_500;
const BETWEEN_MS_MAX = 30_000;
/** Faults of a family in one plan at most. */
const FAULTS_MAX = 64;

/** All faults of a run, by time. */
export function drawFaultPlan(options: FaultPlanOptions): Fault[] {
  const random = new SeededRandom(options.seed);
  const faults: Fault[] = [];
  for (const family of faultFamilies) {
    const stream = random.stream(`faults/${family}`);
    const coin = stream.nextFloat() < 0.5;
    if (!(options.families?.includes(family) ?? coin)) continue;
    const betweenMs = logUniform(stream, BETWEEN_MS_MIN, BETWEEN_MS_MAX);
    let drawnMs = 0;
    for (let count = 0; count < FAULTS_MAX; count++) {
      drawnMs += -Math.log(1 - stream.nextFloat()) * betweenMs;
      const atMs = Math.round(drawnMs);
      if (atMs >= options.forMs) break;
      const fault = draw(family, stream, atMs, options.targets);
      if (fault !== undefined) faults.push(fault);
    }
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

function draw(
  family: FaultFamily,
  stream: RandomStream,
  atMs: number,
  { nodes, actors, interruptible, reconfigurations, hosts }: FaultTargets,
): Fault | undefined {
  const isOfMesh = meshFamilies.includes(family);
  if (isOfMesh !== hosts.length > 0 && !sharedFamilies.includes(family)) return undefined;
  switch (family) {
    case "hosts":
    case "partitions":
    case "redis":
    case "drains":
    case "reshards":
    case "controllers":
    case "commands":
      return meshFault(family, stream, atMs, hosts);
    case "process":
      return {
        kind: "killProcess",
        atMs,
        power: stream.nextFloat() < 0.5,
        downMs: whole(stream, 1, 2_000),
      };
    case "actors":
      return { kind: "crashActor", atMs, actor: chosen(stream, actors) };
    case "threads":
      return {
        kind: "stallNode",
        atMs,
        node: chosen(stream, nodes),
        forMs: whole(stream, 5, 5_000),
      };
    case "interrupts":
      return interruptible.length === 0
        ? undefined
        : interrupt(stream, atMs, chosen(stream, interruptible));
    case "links":
      return {
        kind: "slowLinks",
        atMs,
        node: chosen(stream, nodes),
        latencyMs: whole(stream, 1, 2_000),
        forMs: whole(stream, 10, 5_000),
      };
    case "disk":
      return diskFault(stream, atMs, hosts.length > 0);
    case "io":
      return ioFault(stream, atMs);
    case "clock": {
      if (hosts.length > 0) {
        const host = chosen(stream, [...hosts, REDIS_CLOCK]);
        return { kind: "stepHostClock", atMs, host, toMs: drawAheadMs(stream) };
      }
      const byMs = whole(stream, 10, 3_600_000) * (stream.nextFloat() < 0.5 ? -1 : 1);
      return { kind: "stepClock", atMs, byMs };
    }
    case "clients":
      return {
        kind: "hangUps",
        atMs,
        forMs: whole(stream, 50, 5_000),
        afterMs: whole(stream, 1, 200),
      };
    case "reconfigure":
      if (reconfigurations.length === 0) return undefined;
      return {
        kind: "restartProcess",
        atMs,
        downMs: whole(stream, 1, 2_000),
        configuration: chosen(stream, reconfigurations),
      };
    default:
      return family satisfies never;
  }
}

function interrupt(
  stream: RandomStream,
  atMs: number,
  { node, actor, messages }: Interruptible,
): Fault {
  const effect = chosen(stream, ["stall", "stall", "crash", "kill", "power"] as const);
  const forMs = whole(stream, 5, 5_000);
  const message = messages.length === 0 ? undefined : chosen(stream, messages);
  return {
    kind: "interrupt",
    atMs,
    node,
    actor,
    ...(message !== undefined && { message }),
    effect,
    forMs,
  };
}

/** In a mesh the logs are on the Redis server, and all hosts share the blobs. */
function diskFault(stream: RandomStream, atMs: number, isOfMesh: boolean): Fault {
  const forMs = whole(stream, 10, 5_000);
  switch (Math.floor(stream.nextFloat() * 4)) {
    case 0:
      return { kind: "refuseAppends", atMs, forMs, log: "events" };
    case 1:
      return { kind: "refuseAppends", atMs, forMs, log: "examples" };
    case 2:
      return { kind: "refuseBlobs", atMs, forMs };
    default: {
      const latencyMs = whole(stream, 1, 1_000);
      return { kind: isOfMesh ? "slowRedis" : "slowDisk", atMs, forMs, latencyMs };
    }
  }
}

function ioFault(stream: RandomStream, atMs: number): Fault {
  const area = chosen(stream, ["events", "examples", "blobs"] as const);
  const forMs = whole(stream, 1, 2_000);
  const downMs = whole(stream, 1, 2_000);
  switch (Math.floor(stream.nextFloat() * 3)) {
    case 0:
      return { kind: "failWrites", atMs, area, forMs };
    case 1:
      return { kind: "failSyncs", atMs, area, forMs, downMs };
    default:
      return { kind: "flipRead", atMs, area };
  }
}
