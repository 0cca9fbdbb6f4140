/**
 * The configuration of the demo's mesh: that of `cairn demo` with hosts and a server for the logs.
 */
import { parseDocument } from "yaml";

/** The hosts of the demo. */
export const demoHosts = {
  serving: ["edge-1", "edge-2"],
  learning: ["learn-1", "learn-2"],
  tables: ["tables-1", "tables-2"],
  /** Joins while the mesh runs, and gets shards from the others. */
  joining: ["tables-3"],
} as const;

/** All hosts, in the order in which they are restarted: serving hosts last. */
export const allHosts: readonly string[] = [
  ...demoHosts.tables,
  ...demoHosts.joining,
  ...demoHosts.learning,
  ...demoHosts.serving,
];

export interface MeshFile {
  readonly text: string;
  /** HTTP port by host. */
  readonly ports: ReadonlyMap<string, number>;
}

const roles: Readonly<Record<keyof typeof demoHosts, readonly string[]>> = {
  serving: ["serving"],
  learning: ["joiner", "trainer"],
  tables: ["shards"],
  joining: ["shards"],
};

/**
 * @param demo Text of examples/demo.yaml.
 * @param redisUrl Address of the server of logs and profiles.
 * @param free Two ports for each host.
 */
export function meshFile(demo: string, redisUrl: string, free: readonly number[]): MeshFile {
  const document = parseDocument(demo);
  const hosts = new Map<string, object>();
  const ports = new Map<string, number>();
  let taken = 0;
  for (const [group, names] of Object.entries(demoHosts)) {
    for (const name of names) {
      const [link, http] = free.slice(taken, taken += 2);
      ports.set(name, http);
      hosts.set(name, {
        address: `127.0.0.1:${link}`,
        http: `127.0.0.1:${http}`,
        roles: roles[group as keyof typeof demoHosts],
      });
    }
  }
  document.set("mesh", {
    id: "demo",
    heartbeat: "200ms",
    silence: "2s",
    lease: "5s",
    hosts: Object.fromEntries(hosts),
  });
  document.set("storage", {
    kind: "directory",
    path: "data",
    snapshots: { interval: "5s", spread: "500ms", retained: 3 },
    redis: { url: redisUrl },
  });
  document.set("placement", { kind: "singleThread" });
  document.setIn(["shards", "count"], 9);
  document.setIn(["gateway", "deadline"], "8s");
  // The balancer of the demo looks ten times a second.
  document.setIn(["gateway", "stopAfter"], "2s");
  document.setIn(["joiner", "window"], "60s");
  document.setIn(["joiner", "partitions"], 4);
  // Fresher than by default, for more messages between the hosts.
  document.setIn(["sync", "rowsInterval"], "50ms");
  return { text: document.toString(), ports };
}
