/**
 * The ways from a node to the actors of other nodes: which node has an address, and the link to it.
 */
import type { Address } from "./actor.ts";
import type { NodeLink } from "./node_link.ts";

export class Routes {
  readonly #own: string;
  readonly #links = new Map<string, NodeLink>();
  /** Links for asks with `bulk`, to nodes that have one. */
  readonly #bulkLinks = new Map<string, NodeLink>();
  /** The end of the last link to a node that has none now. */
  readonly #lost = new Map<string, Error>();
  readonly #placement = new Map<Address, string>();
  #version = 0;

  /** @param own Name of the node that sends. */
  constructor(own: string) {
    this.#own = own;
  }

  /** Grows when an actor or a link comes or goes: references then resolve their address again. */
  get version(): number {
    return this.#version;
  }

  /** An actor of this node came or went. */
  changed(): void {
    this.#version++;
  }

  /** Sets the nodes of these addresses; those of other addresses stay. */
  place(placement: Iterable<readonly [Address, string]>): void {
    for (const [address, node] of placement) {
      if (node === this.#own) this.#placement.delete(address);
      else this.#placement.set(address, node);
    }
    this.#version++;
  }

  add(link: NodeLink): void {
    this.#linksLike(link).set(link.peer, link);
    if (!link.isBulk) this.#lost.delete(link.peer);
    this.#version++;
  }

  /** Removes a link that has ended; false where another one has replaced it. */
  remove(link: NodeLink, cause: Error): boolean {
    const links = this.#linksLike(link);
    if (links.get(link.peer) !== link) return false;
    links.delete(link.peer);
    if (!link.isBulk) this.#lost.set(link.peer, cause);
    this.#version++;
    return true;
  }

  /** Whether the address is on another node. */
  knows(address: Address): boolean {
    return this.#nodeOf(address) !== undefined;
  }

  /** The link to the node that has the address; undefined where it is unknown or has no link. */
  linkTo(address: Address): NodeLink | undefined {
    const node = this.#nodeOf(address);
    return node === undefined ? undefined : this.#links.get(node);
  }

  /** The link for bulk transfers to the same node, or `link` where there is none. */
  bulkLinkLike(link: NodeLink): NodeLink {
    return this.#bulkLinks.get(link.peer) ?? link;
  }

  /** All links, those for bulk transfers last. */
  links(): NodeLink[] {
    return [...this.#links.values(), ...this.#bulkLinks.values()];
  }

  /** Why {@link linkTo} gives none. */
  whyUnreachable(address: Address): string {
    const node = this.#nodeOf(address);
    if (node === undefined || node === this.#own) {
      return `there is no such actor on ${this.#own}`;
    }
    const lost = this.#lost.get(node);
    return lost === undefined
      ? `${this.#own} has no link to ${node}`
      : `${node} is gone: ${lost.message}`;
  }

  #nodeOf(address: Address): string | undefined {
    return this.#placement.get(address) ??
      (address.startsWith("node/") ? address.slice("node/".length) : undefined);
  }

  #linksLike({ isBulk }: NodeLink): Map<string, NodeLink> {
    return isBulk ? this.#bulkLinks : this.#links;
  }
}
