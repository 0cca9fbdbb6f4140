/**
 * The hosts of the mesh with which this host has no link although they have joined: a firewall is
 * between them, an address is wrong, or a file does not list the other one.
 */
import type { Clock } from "../mesh/ports/clock.ts";
import type { HostRun, MeshView } from "../mesh/ports/coordination.ts";
import type { HostLinkState } from "./environment.ts";

/** A link may take so long to begin, or to begin again, ms. */
const UNLINKED_MS = 5_000;

export interface UnlinkedHostsOptions {
  /** Name of this host. */
  readonly own: string;
  /** The links with the hosts in this host's file now. */
  readonly links: () => readonly Pick<HostLinkState, "host" | "isLinked">[];
  readonly clock: Clock;
}

export class UnlinkedHosts {
  readonly #options: UnlinkedHostsOptions;
  /** The other hosts that had a lease at the last look. */
  #others: readonly HostRun[] = [];
  /** When each run was first seen without a link, monotonic ms, by incarnation. */
  #since = new Map<string, number>();

  constructor(options: UnlinkedHostsOptions) {
    this.#options = options;
  }

  look({ hosts, nowMs }: Pick<MeshView, "hosts" | "nowMs">): void {
    this.#others = [...hosts.values()]
      .filter(({ host, expiresMs }) => host !== this.#options.own && expiresMs > nowMs)
      .map(({ host, incarnation }) => ({ host, incarnation }));
    this.#note();
  }

  /** The hosts that have had no link for some seconds. */
  get current(): readonly HostRun[] {
    this.#note();
    const untilMs = this.#options.clock.monotonicMs() - UNLINKED_MS;
    return this.#others.filter(({ incarnation }) =>
      (this.#since.get(incarnation) ?? Infinity) <= untilMs
    );
  }

  #note(): void {
    const { links, clock } = this.#options;
    const linked = new Set(links().filter(({ isLinked }) => isLinked).map(({ host }) => host));
    const without = this.#others.filter(({ host }) => !linked.has(host));
    const nowMs = clock.monotonicMs();
    this.#since = new Map(
      without.map(({ incarnation }) => [incarnation, this.#since.get(incarnation) ?? nowMs]),
    );
  }
}
