/**
 * The name of a host, and all that two hosts compare before they exchange messages.
 */

/** Versions of the protocol between hosts that this program speaks. */
export interface ProtocolRange {
  readonly min: number;
  readonly max: number;
}

/**
 * `max` is raised with each change of frames, handshake, messages or records that an older host
 * cannot read; `min` follows a release later, and until then records on the store of the mesh are
 * written as `min` has them. So hosts of two releases in turn run beside each other.
 */
export const PROTOCOLS: ProtocolRange = { min: 2, max: 2 };

/** The load of a connection: messages, or transfers that must not delay messages. */
export type Purpose = "messages" | "bulk";

export const purposes: readonly Purpose[] = ["messages", "bulk"];

/** The section of all hosts; those of one host begin with it, as `mesh.hosts.edge`. */
export const HOSTS_SECTION = "mesh.hosts";

/** One process of a mesh. */
export interface HostIdentity {
  /** Name of the mesh, from `mesh.id`. */
  readonly mesh: string;
  /** Name of the host, a key of `mesh.hosts`. */
  readonly host: string;
  /** A UUID of this start of the process. */
  readonly incarnation: string;
  readonly protocols: ProtocolRange;
  /**
   * Digests of the sections of the configuration in which all hosts must agree; in those that begin
   * with {@link HOSTS_SECTION} only two that both have them.
   */
  readonly configuration: Readonly<Record<string, string>>;
  /** Names of its nodes; a node's number is its index. At most 256. */
  readonly nodes: readonly string[];
}

/** Nodes that a channel number can name on either side. */
export const NODES_MAX = 256;

/**
 * The sections in which two hosts differ that may not link, from their
 * {@link HostIdentity.configuration}.
 */
export function clashingSections(
  own: HostIdentity["configuration"],
  other: HostIdentity["configuration"],
): string[] {
  const sections = new Set([...Object.keys(own), ...Object.keys(other)]);
  return [...sections].filter((name) => {
    const [here, there] = [own[name], other[name]];
    const haveBoth = here !== undefined && there !== undefined;
    return here !== there && (haveBoth || !name.startsWith(HOSTS_SECTION));
  });
}
