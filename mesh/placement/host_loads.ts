/**
 * The bytes of shards on each host while a plan is made, and the choice of a host for a shard.
 */
import { present } from "../../structures/invariant.ts";
import type { HostView, ShardView } from "./views.ts";

/** Bytes that a shard counts at least: an empty one takes pages and messages, too. */
export const SHARD_BYTES_MIN = 64 * 1024;

/** The bytes of a shard that placement counts. */
export function countedBytes({ bytes }: Pick<ShardView, "bytes">): number {
  return Math.max(bytes, SHARD_BYTES_MIN);
}

interface HostLoad {
  readonly view: HostView;
  bytes: number;
  parts: number;
}

export class HostLoads {
  readonly #loads: ReadonlyMap<string, HostLoad>;

  /** @param hosts The hosts that may get shards. */
  constructor(hosts: readonly HostView[]) {
    const sorted = hosts.toSorted((a, b) => a.host < b.host ? -1 : 1);
    this.#loads = new Map(sorted.map((view) => [view.host, { view, bytes: 0, parts: 0 }]));
  }

  get size(): number {
    return this.#loads.size;
  }

  has(host: string): boolean {
    return this.#loads.has(host);
  }

  /**
   * Adds the bytes of a shard to a host, or removes those of one, where they are negative. A host
   * that may not get shards is ignored.
   */
  add(host: string, bytes: number): void {
    const load = this.#loads.get(host);
    if (load === undefined) return;
    load.bytes += bytes;
    load.parts += Math.sign(bytes);
  }

  /** Number of shards on a host. */
  parts(host: string): number {
    return this.#load(host).parts;
  }

  bytes(host: string): number {
    return this.#load(host).bytes;
  }

  /** Share of the host's capacity that is taken. */
  fullness(host: string, more = 0): number {
    const { view, bytes } = this.#load(host);
    return (bytes + more) / view.capacityBytes;
  }

  hasRoom(host: string, bytes: number): boolean {
    const load = this.#load(host);
    return load.bytes + bytes <= load.view.capacityBytes;
  }

  /**
   * The host that is filled least once it has `bytes` more, of those with room that the fewest
   * others lack a link with; undefined if none has room.
   *
   * @param mayTake Whether a host comes into question. Default: all do.
   */
  leastFilled(
    bytes: number,
    mayTake: (host: HostView) => boolean = () => true,
  ): string | undefined {
    const [least] = [...this.#loads.values()]
      .filter(({ view }) => this.hasRoom(view.host, bytes) && mayTake(view))
      .map(({ view: { host, unreached } }) => {
        return { host, unreached, fullness: this.fullness(host, bytes) };
      })
      .toSorted((a, b) => a.unreached - b.unreached || a.fullness - b.fullness);
    return least?.host;
  }

  /** Names of the hosts that are evened out: those that the fewest others lack a link with. */
  get reached(): readonly string[] {
    const views = [...this.#loads.values()].map(({ view }) => view);
    const fewest = Math.min(...views.map(({ unreached }) => unreached));
    return views.filter(({ unreached }) => unreached === fewest).map(({ host }) => host);
  }

  /** The hosts that are filled most and least, of those that are evened out. */
  extremes(): { readonly most: string; readonly least: string } {
    const hosts = this.reached;
    const by = (better: (a: number, b: number) => boolean) =>
      hosts.reduce((best, host) => better(this.fullness(host), this.fullness(best)) ? host : best);
    return { most: by((a, b) => a > b), least: by((a, b) => a < b) };
  }

  /**
   * Difference of the greatest and the least fullness of the hosts that are evened out, as a share
   * of their mean; 0 without bytes.
   */
  get spread(): number {
    if (this.#loads.size === 0) return 0;
    const { most, least } = this.extremes();
    const shares = this.reached.map((host) => this.fullness(host));
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    return mean === 0 ? 0 : (this.fullness(most) - this.fullness(least)) / mean;
  }

  #load(host: string): HostLoad {
    return present(this.#loads.get(host), "loads are asked for hosts that may get shards");
  }
}
