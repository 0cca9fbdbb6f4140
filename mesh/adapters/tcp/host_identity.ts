/**
 * The name of a host, and all that two hosts compare before they exchange messages.
 */
import type { AgreedSections } from "../../ports/agreed_sections.ts";

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

/** One process of a mesh. */
export interface HostIdentity {
  /** Name of the mesh, from `mesh.id`. */
  readonly mesh: string;
  /** Name of the host, a key of `mesh.hosts`. */
  readonly host: string;
  /** A UUID of this start of the process. */
  readonly incarnation: string;
  readonly protocols: ProtocolRange;
  readonly configuration: AgreedSections;
  /** Names of its nodes; a node's number is its index. At most 256. */
  readonly nodes: readonly string[];
}

/** Nodes that a channel number can name on either side. */
export const NODES_MAX = 256;
