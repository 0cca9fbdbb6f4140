/**
 * The beginning of a connection between two hosts, as JSON in frames:
 *
 *     connector → acceptor   hello   mesh, host, incarnation, protocols, purpose, nonce
 *     acceptor  → connector  hello   the same of the acceptor
 *     acceptor  → connector  proof   HMAC-SHA256 over both hellos with each of its secrets
 *     connector → acceptor   proof   the same for the other side; configuration and nodes
 *     acceptor  → connector  accept  configuration and nodes
 *
 * Both sides prove their secrets without sending them; one that both have suffices. So a host with
 * a new secret and the former one links with hosts that have either. Each proof names its side, so
 * that it cannot be sent back as the other one. The secret authenticates the beginning of a
 * connection; it neither encrypts nor protects the bytes that follow.
 *
 * A side that refuses says so in a goodbye frame, so that both ends can log the same sentence.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { reasonOf } from "../../runtime/errors.ts";
import { MalformedFrameError } from "./encoded_value.ts";
import { frameTypes, textFrame, textOf } from "./frame.ts";
import type { FrameReader } from "./frame_reader.ts";
import type { FrameWriter } from "./frame_writer.ts";
import {
  type Accept,
  type Details,
  type Fields,
  fieldsOf,
  type Hello,
  NONCE_BYTES,
  type Proof,
  readAccept,
  readHello,
  readProof,
  reasonIn,
} from "./handshake_messages.ts";
import { clashingSections } from "../../ports/agreed_sections.ts";
import type { HostIdentity, Purpose } from "./host_identity.ts";
import type { Network } from "./network.ts";

/** The connection was refused, by this host or by the other one. */
export class HandshakeError extends Error {
  override readonly name = "HandshakeError";
  /** @param fromPeer Whether the other host has refused. */
  constructor(message: string, readonly fromPeer: boolean) {
    super(message);
  }
}

/** The outcome of a handshake. */
export interface Handshaken {
  readonly peer: HostIdentity;
  /** The highest version that both hosts speak. */
  readonly protocol: number;
  readonly purpose: Purpose;
}

/** The frames of one connection. */
export interface HandshakeFrames {
  readonly reader: FrameReader;
  readonly writer: FrameWriter;
}

export interface HandshakeOptions {
  readonly own: HostIdentity;
  /** Secrets of the mesh: two while it is changed, none where the mesh has none. */
  readonly secrets: readonly string[];
  /** Names of the mesh's hosts. */
  readonly hosts: readonly string[];
  readonly nonce: Network["nonce"];
}

/** Bytes of a frame of a host that has proved nothing. */
const FRAME_BYTES_MAX = 16 * 1024;
/** The key where no secret is configured; a mesh without one listens on loopback addresses only. */
const NO_SECRET = "no secret";

type Side = "connector" | "acceptor";

/**
 * Begins a connection to the host `to`.
 *
 * @throws {HandshakeError} One of the two hosts refuses.
 */
export async function connectTo(
  to: string,
  purpose: Purpose,
  frames: HandshakeFrames,
  options: HandshakeOptions,
): Promise<Handshaken> {
  return await refusing(frames, async () => {
    const { own } = options;
    const hello = send(frames, helloOf(options, to, purpose));
    const [peerHello, peerText] = await receive(frames, readHello);
    const protocol = requireSpoken(own, peerHello);
    if (peerHello.host !== to) {
      refuse(`the address of host ${to} leads to host ${peerHello.host}; correct mesh.hosts`);
    }
    const transcript = `${hello}\n${peerText}`;
    const [{ proofs }] = await receive(frames, readProof);
    requireProof("acceptor", transcript, proofs, to, options.secrets);
    send(frames, {
      kind: "proof",
      proofs: prove("connector", transcript, options.secrets),
      details: detailsOf(own),
    });
    const [{ details }] = await receive(frames, readAccept);
    requireSameConfiguration(own, to, details);
    return { peer: identityOf(peerHello, details), protocol, purpose };
  });
}

/**
 * Takes a connection that another host begins.
 *
 * @throws {HandshakeError} One of the two hosts refuses.
 */
export async function accept(
  frames: HandshakeFrames,
  options: HandshakeOptions,
): Promise<Handshaken> {
  return await refusing(frames, async () => {
    const { own, hosts, secrets } = options;
    const [peerHello, peerText] = await receive(frames, readHello);
    const { host, to, purpose } = peerHello;
    const protocol = requireSpoken(own, peerHello);
    if (host === own.host) {
      refuse(`another process runs as host ${host}; start each process with its own --host`);
    }
    if (to !== own.host) {
      refuse(`the address of host ${to} leads to host ${own.host}; correct mesh.hosts`);
    }
    if (!hosts.includes(host)) {
      refuse(
        `mesh.hosts of ${own.host} has no host ${host}, only ${hosts.join(", ")}; ` +
          `list ${host} there, and restart ${own.host}`,
      );
    }
    const hello = send(frames, helloOf(options, host, purpose));
    const transcript = `${peerText}\n${hello}`;
    send(frames, { kind: "proof", proofs: prove("acceptor", transcript, secrets) });
    const [{ proofs, details }] = await receive(frames, readProof);
    requireProof("connector", transcript, proofs, host, secrets);
    if (details === undefined) throw new MalformedFrameError("a proof without details");
    requireSameConfiguration(own, host, details);
    send(frames, { kind: "accept", details: detailsOf(own) });
    return { peer: identityOf(peerHello, details), protocol, purpose };
  });
}

// ---- checks

function requireSpoken(own: HostIdentity, peer: Hello): number {
  if (peer.mesh !== own.mesh) {
    refuse(
      `host ${peer.host} belongs to mesh "${peer.mesh}", and host ${own.host} to "${own.mesh}"; ` +
        "correct mesh.id, or the addresses in mesh.hosts",
    );
  }
  const protocol = Math.min(own.protocols.max, peer.protocols.max);
  if (protocol < Math.max(own.protocols.min, peer.protocols.min)) {
    const range = ({ min, max }: { min: number; max: number }) =>
      min === max ? `${min}` : `${min} to ${max}`;
    refuse(
      `host ${peer.host} speaks protocol ${range(peer.protocols)}, and host ${own.host} ` +
        `${range(own.protocols)}; upgrade the older host, one release at a time`,
    );
  }
  return protocol;
}

function requireSameConfiguration(own: HostIdentity, peer: string, { configuration }: Details) {
  const clashing = clashingSections(own.configuration, configuration);
  if (clashing.length === 0) return;
  refuse(
    `hosts ${own.host} and ${peer} are configured differently in ${clashing.sort().join(", ")}; ` +
      "start both with the same sections: until then they are not linked, and each goes on " +
      "without the other's rows and parts",
  );
}

function requireProof(
  side: Side,
  transcript: string,
  proofs: readonly string[],
  peer: string,
  secrets: readonly string[],
): void {
  const macs = proofs.map(bytesOf);
  for (const secret of keysOf(secrets)) {
    const own = macOf(side, transcript, secret);
    if (macs.some((mac) => mac.byteLength === own.byteLength && timingSafeEqual(mac, own))) return;
  }
  refuse(
    `host ${peer} has another secret; give all hosts the same mesh.secret (during a change, the ` +
      "new one and the old one in mesh.secretBefore)",
  );
}

function prove(side: Side, transcript: string, secrets: readonly string[]): string[] {
  return keysOf(secrets).map((secret) => macOf(side, transcript, secret).toHex());
}

function keysOf(secrets: readonly string[]): readonly string[] {
  return secrets.length > 0 ? secrets : [NO_SECRET];
}

function macOf(side: Side, transcript: string, secret: string): Uint8Array {
  return new Uint8Array(
    createHmac("sha256", secret).update(`cairn ${side}\n${transcript}`).digest(),
  );
}

// ---- frames

/** Runs a side of the handshake; a refusal is told to the other side too. */
async function refusing(
  frames: HandshakeFrames,
  run: () => Promise<Handshaken>,
): Promise<Handshaken> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof HandshakeError && error.fromPeer) throw error;
    const ours = error instanceof HandshakeError || error instanceof MalformedFrameError;
    const reason = ours ? error.message : `the handshake failed: ${reasonOf(error)}`;
    frames.writer.push(textFrame(frameTypes.goodbye, JSON.stringify({ reason })));
    await frames.writer.drained();
    throw ours && error instanceof HandshakeError ? error : new HandshakeError(reason, false);
  }
}

function refuse(reason: string): never {
  throw new HandshakeError(reason, false);
}

/** Sends a message; the text that was sent. */
function send({ writer }: HandshakeFrames, message: Hello | Proof | Accept): string {
  const text = JSON.stringify(message);
  writer.push(textFrame(frameTypes.handshake, text));
  return text;
}

async function receive<T>(
  { reader }: HandshakeFrames,
  read: (fields: Fields) => T | undefined,
): Promise<[T, string]> {
  const frame = await reader.next(FRAME_BYTES_MAX);
  if (frame === undefined) {
    throw new HandshakeError("the other side has closed the connection", true);
  }
  if (frame.type === frameTypes.goodbye) throw new HandshakeError(reasonIn(frame), true);
  const text = textOf(frame);
  const message = frame.type === frameTypes.handshake ? read(fieldsOf(text)) : undefined;
  if (message === undefined) throw new MalformedFrameError("the handshake has another message");
  return [message, text];
}

// ---- messages

function helloOf(options: HandshakeOptions, to: string, purpose: Purpose): Hello {
  const { mesh, host, incarnation, protocols } = options.own;
  const nonce = options.nonce(NONCE_BYTES);
  return { kind: "hello", mesh, host, to, incarnation, protocols, purpose, nonce };
}

function detailsOf({ configuration, nodes }: HostIdentity): Details {
  return { configuration, nodes };
}

function identityOf(hello: Hello, details: Details): HostIdentity {
  const { mesh, host, incarnation, protocols } = hello;
  return { mesh, host, incarnation, protocols, ...details };
}

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.fromHex(hex);
  } catch {
    return new Uint8Array(0);
  }
}
