/**
 * Hosts in network namespaces of this machine, joined by a bridge, so that a host can be cut off
 * from the others while its process runs. Needs root and iproute2.
 */

/** Part of the names of bridge and namespaces, and of the addresses: 1 to 254. */
const NETWORK = 1 + Deno.pid % 254;

function ip(...args: readonly string[]): void {
  const { success, stderr } = new Deno.Command("ip", { args: [...args] }).outputSync();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Why this machine has no namespaces to give; undefined where it has. */
export function namespacesLacking(): string | undefined {
  try {
    new Namespaces(["probe"]).remove();
    return undefined;
  } catch (error) {
    return (error as Error).message.trim();
  }
}

export class Namespaces {
  readonly #hosts: readonly string[];
  readonly #bridge = `cairn${NETWORK}`;

  /** Makes a namespace for each host, all of them linked. */
  constructor(hosts: readonly string[]) {
    this.#hosts = hosts;
    try {
      ip("link", "add", this.#bridge, "type", "bridge");
      ip("addr", "add", `10.231.${NETWORK}.254/24`, "dev", this.#bridge);
      ip("link", "set", this.#bridge, "up");
      for (const host of hosts) this.#add(host);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  addressOf(host: string): string {
    return `10.231.${NETWORK}.${1 + this.#hosts.indexOf(host)}`;
  }

  /** The command that runs another command in the host's namespace. */
  under(host: string): string[] {
    return ["ip", "netns", "exec", this.#namespace(host)];
  }

  /** Cuts the host off, or joins it again. */
  setLinked(host: string, isLinked: boolean): void {
    ip("link", "set", this.#link(host), isLinked ? "up" : "down");
  }

  /** Loses all bytes from one host to another, silently, while the other direction works. */
  loseFrames(from: string, to: string): void {
    ip(
      ...["-n", this.#namespace(from), "neigh", "replace", this.addressOf(to)],
      ...["lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent"],
    );
  }

  /** Ends {@link loseFrames}. */
  deliverFrames(from: string, to: string): void {
    ip("-n", this.#namespace(from), "neigh", "del", this.addressOf(to), "dev", "eth0");
  }

  remove(): void {
    for (const host of this.#hosts) {
      // The kernel takes its time to remove the links of a namespace that is gone.
      ignoringErrors(() => ip("link", "del", this.#link(host)));
      ignoringErrors(() => ip("netns", "del", this.#namespace(host)));
    }
    ignoringErrors(() => ip("link", "del", this.#bridge));
  }

  #add(host: string): void {
    const [namespace, link] = [this.#namespace(host), this.#link(host)];
    ip("netns", "add", namespace);
    ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace);
    ip("link", "set", link, "master", this.#bridge);
    ip("link", "set", link, "up");
    ip("-n", namespace, "addr", "add", `${this.addressOf(host)}/24`, "dev", "eth0");
    ip("-n", namespace, "link", "set", "eth0", "up");
    ip("-n", namespace, "link", "set", "lo", "up");
  }

  #namespace(host: string): string {
    return `cairn${NETWORK}-${host}`;
  }

  #link(host: string): string {
    return `c${NETWORK}v${this.#hosts.indexOf(host)}`;
  }
}

function ignoringErrors(run: () => void): void {
  try {
    run();
  } catch {
    // It is gone already.
  }
}
