/**
 * The hosts that have joined the mesh although this host's file does not list them, as where it was
 * not restarted with the newest file. There is no link with them.
 */
import type { MeshView } from "../mesh/ports/coordination.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";

/** A warning of an unlisted host, with the remedy; two sentences. */
export function unlistedHostText(host: string): string {
  return `Host ${host} has joined the mesh, but mesh.hosts of this host's file does not list it: ` +
    "the two have no link, and it gets no parts that another host can take. List it in the file " +
    "of every host and restart them, or stop it if it has left the mesh.";
}

export class UnlistedHosts {
  readonly #listed: ReadonlySet<string>;
  readonly #telemetry: Telemetry;
  readonly #warned = new Set<string>();
  #present: readonly string[] = [];

  /** @param listed Names of the hosts in this host's file, its own one included. */
  constructor(listed: readonly string[], telemetry: Telemetry) {
    this.#listed = new Set(listed);
    this.#telemetry = telemetry;
  }

  /** Names of those that had a lease at the last look. */
  get present(): readonly string[] {
    return this.#present;
  }

  /** Logs a warning of each name once. */
  look({ hosts }: Pick<MeshView, "hosts">): void {
    this.#present = [...hosts.keys()].filter((host) => !this.#listed.has(host));
    for (const host of this.#present) {
      if (this.#warned.has(host)) continue;
      this.#warned.add(host);
      this.#telemetry.log("warn", unlistedHostText(host));
    }
  }
}
