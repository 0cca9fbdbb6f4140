/**
 * Draws the faults of a mesh of several hosts.
 */
import type { RandomStream } from "../../mesh/ports/random.ts";
import { type MeshFault, planCommands } from "./mesh_fault.ts";
import { chosen, whole } from "./draws.ts";

/** Most shards of a drawn change of their number. */
const SHARDS_MAX = 9;
/** Most trainers of a drawn change of their number. */
const TRAINERS_MAX = 4;
/** Most partitions of a drawn change of their number. */
const PARTITIONS_MAX = 4;

/** A fault of a family. Its length is log-uniform: some outlast a lease, most do not. */
export function meshFault(
  family: "hosts" | "partitions" | "redis" | "drains" | "reshards" | "controllers" | "commands",
  stream: RandomStream,
  atMs: number,
  hosts: readonly string[],
): MeshFault | undefined {
  const host = chosen(stream, hosts);
  const forMs = whole(stream, 50, 12_000);
  switch (family) {
    case "hosts":
      return hostFault(stream, atMs, host, forMs);
    case "partitions": {
      const others = hosts.filter((other) => other !== host);
      if (others.length === 0) return undefined;
      const to = chosen(stream, others);
      const draw = stream.nextFloat();
      if (draw < 0.25) {
        const latencyMs = whole(stream, 1, 2_000);
        return { kind: "slowHosts", atMs, from: host, to, latencyMs, forMs };
      }
      if (draw < 0.5) {
        const whom = draw < 0.3 ? {} : { host };
        const way = stream.nextFloat() < 0.5 ? { answersOnly: true } as const : {};
        return { kind: "cutRedis", atMs, ...whom, ...way, forMs };
      }
      return { kind: "cutHosts", atMs, from: host, to, bothWays: draw < 0.75, forMs };
    }
    case "redis": {
      const draw = stream.nextFloat();
      if (draw < 0.5) return { kind: "stopRedis", atMs, forMs };
      if (draw < 0.75) {
        const latencyMs = whole(stream, 1, 1_000);
        const isForOne = stream.nextFloat() < 0.5;
        return { kind: "slowRedis", atMs, ...isForOne && { host }, latencyMs, forMs };
      }
      const lostMs = whole(stream, 1, 4_000);
      return { kind: "failOverRedis", atMs, lostMs, downMs: whole(stream, 10, 3_000) };
    }
    case "drains":
      return { kind: "drainHost", atMs, host, forMs };
    case "reshards": {
      const draw = stream.nextFloat();
      const change = draw < 0.4
        ? { parts: "shards", to: whole(stream, 1, SHARDS_MAX) } as const
        : draw < 0.7
        ? { parts: "trainers", to: whole(stream, 1, TRAINERS_MAX) } as const
        : { parts: "partitions", to: whole(stream, 1, PARTITIONS_MAX) } as const;
      if (stream.nextFloat() < 0.8) return { kind: "reshardMesh", atMs, ...change };
      return { kind: "reshardMesh", atMs, ...change, cancelMs: whole(stream, 1, 500) };
    }
    case "commands":
      return { kind: "commandMesh", atMs, command: chosen(stream, planCommands) };
    case "controllers": {
      const power = stream.nextFloat() < 0.5;
      return { kind: "killController", atMs, power, downMs: whole(stream, 10, 8_000) };
    }
  }
}

function hostFault(stream: RandomStream, atMs: number, host: string, forMs: number): MeshFault {
  const draw = stream.nextFloat();
  if (draw < 0.4) {
    return { kind: "killHost", atMs, host, power: draw < 0.2, downMs: whole(stream, 10, 8_000) };
  }
  if (draw < 0.7) return { kind: "pauseHost", atMs, host, forMs };
  const downMs = whole(stream, 10, 2_000);
  return { kind: "restartHost", atMs, host, downMs, configuration: {} };
}
