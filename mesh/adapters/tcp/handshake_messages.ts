/**
 * The messages of a handshake, and their validation: they come from hosts that have proved nothing.
 */
import { type Frame, textOf } from "./frame.ts";
import { NODES_MAX, type Purpose, purposes } from "./host_identity.ts";

/** Bytes of a nonce, which a hello has in hexadecimal. */
export const NONCE_BYTES = 32;

/** The first message of either side. */
export interface Hello {
  readonly kind: "hello";
  readonly mesh: string;
  readonly host: string;
  /** The host that it wants to reach. */
  readonly to: string;
  readonly incarnation: string;
  readonly protocols: { readonly min: number; readonly max: number };
  readonly purpose: Purpose;
  readonly nonce: string;
}

/** Proves that the sender has the mesh's secret. */
export interface Proof {
  readonly kind: "proof";
  /** One with each of its secrets, in hexadecimal. */
  readonly proofs: readonly string[];
  readonly details?: Details;
}

/** The acceptor takes the connection. */
export interface Accept {
  readonly kind: "accept";
  readonly details: Details;
}

/** Told to a host that has proved the secret. */
export interface Details {
  readonly configuration: Readonly<Record<string, string>>;
  readonly nodes: readonly string[];
}

/** The fields of a message that is not checked yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** The fields of a JSON object; none where the text is not one. */
export function fieldsOf(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as Fields : {};
  } catch {
    return {};
  }
}

/** A hello, if the fields are one. */
export function readHello(fields: Fields): Hello | undefined {
  const { mesh, host, to, incarnation, purpose, nonce } = fields;
  const protocols = fields.protocols as Hello["protocols"] | undefined;
  const isHello = fields.kind === "hello" && areTexts([mesh, host, to, incarnation, nonce]) &&
    purposes.includes(purpose as Purpose) && Number.isInteger(protocols?.min) &&
    Number.isInteger(protocols?.max) && (nonce as string).length === 2 * NONCE_BYTES;
  return isHello ? fields as unknown as Hello : undefined;
}

/** A proof, if the fields are one. */
export function readProof(fields: Fields): Proof | undefined {
  const { kind, proofs, details } = fields;
  if (kind !== "proof" || !Array.isArray(proofs) || !areTexts(proofs)) return undefined;
  if (details === undefined) return { kind, proofs };
  const read = readDetails(details);
  return read && { kind, proofs, details: read };
}

/** An accept, if the fields are one. */
export function readAccept(fields: Fields): Accept | undefined {
  const details = readDetails(fields.details);
  return fields.kind === "accept" && details ? { kind: "accept", details } : undefined;
}

function readDetails(value: unknown): Details | undefined {
  const { configuration, nodes } = (value ?? {}) as Partial<Details>;
  return typeof configuration === "object" && configuration !== null &&
      areTexts(Object.values(configuration)) && Array.isArray(nodes) && areTexts(nodes) &&
      nodes.length <= NODES_MAX
    ? { configuration, nodes }
    : undefined;
}

function areTexts(values: readonly unknown[]): boolean {
  return values.every((each) => typeof each === "string");
}

/** The reason in a goodbye frame. */
export function reasonIn(frame: Frame): string {
  const { reason } = fieldsOf(textOf(frame));
  return typeof reason === "string" ? reason : "no reason given";
}
