/**
 * Reports the links of a host with the other hosts: metrics, why a host is not linked, and log
 * lines. A reason is logged once, however often the attempts fail for it.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import type { Connection } from "./connection.ts";
import type { Purpose } from "./host_identity.ts";

/** Addresses of which the last refusal is remembered. */
const REFUSALS_MAX = 64;
/** Time between two lines about refusals of one address, ms: a scan of ports has many reasons. */
const REFUSAL_LINES_MS = 10_000;

/** Instruments of the links, by host. */
function instruments(telemetry: Telemetry) {
  const labelNames = ["host"];
  return {
    linked: telemetry.gauge("cairn_link_up", {
      help: "1 while the host is linked.",
      labelNames,
    }),
    unsentBytes: telemetry.gauge("cairn_link_unsent_bytes", {
      help: "Bytes of messages that wait to be sent to the host.",
      labelNames,
    }),
    sentBytes: telemetry.counter("cairn_link_sent_bytes_total", {
      help: "Bytes of messages and transfers for the host.",
      labelNames: ["host", "purpose"],
    }),
    sentFrames: telemetry.counter("cairn_link_sent_frames_total", {
      help: "Frames for the host, each of which holds the messages of one turn.",
      labelNames: ["host", "purpose"],
    }),
    connected: telemetry.counter("cairn_link_connections_total", {
      help: "Connections for messages with the host since the start.",
      labelNames,
    }),
    lost: telemetry.counter("cairn_link_lost_total", {
      help: "Connections for messages with the host that were lost.",
      labelNames,
    }),
    refused: telemetry.counter("cairn_link_refused_total", {
      help: "Connections of others that were refused, for example with a wrong secret.",
    }),
  };
}

export class LinkReport {
  readonly #telemetry: Telemetry;
  readonly #clock: Clock;
  readonly #metrics: ReturnType<typeof instruments>;
  /** Hosts that were linked once. */
  readonly #linked = new Set<string>();
  /** Why each host that is not linked is not. */
  readonly #reasons = new Map<string, string>();
  /** The logged reasons for which connections were refused, by address; oldest first. */
  readonly #refusals = new Map<string, { readonly reason: string; readonly atMs: number }>();

  constructor(telemetry: Telemetry, clock: Clock, hosts: Iterable<string>) {
    this.#telemetry = telemetry;
    this.#clock = clock;
    this.#metrics = instruments(telemetry);
    for (const host of hosts) this.#metrics.linked.set(0, { host });
  }

  /** Why the host is not linked; undefined while it is, and before the first attempt has ended. */
  reasonOf(host: string): string | undefined {
    return this.#reasons.get(host);
  }

  /** Whether the host was linked once since the start. */
  wasLinked(host: string): boolean {
    return this.#linked.has(host);
  }

  linked(host: string, incarnation: string): void {
    this.#linked.add(host);
    this.#reasons.delete(host);
    this.#metrics.linked.set(1, { host });
    this.#metrics.connected.add(1, { host });
    this.#telemetry.log("info", `linked with host ${host}`, { incarnation });
  }

  lost(host: string, reason: string): void {
    this.#metrics.linked.set(0, { host });
    this.#metrics.lost.add(1, { host });
    this.#note(host, reason, "lost the link with");
  }

  /** An attempt to connect has failed. */
  notLinked(host: string, reason: string): void {
    this.#note(host, reason, "no link with");
  }

  /** A connection of another process was refused. */
  refused(address: string, reason: string): void {
    this.#metrics.refused.add(1);
    const atMs = this.#clock.monotonicMs();
    const last = this.#refusals.get(address);
    if (last?.reason === reason || last && atMs - last.atMs < REFUSAL_LINES_MS) return;
    this.#refusals.delete(address);
    this.#refusals.set(address, { reason, atMs });
    for (const oldest of this.#refusals.keys()) {
      if (this.#refusals.size <= REFUSALS_MAX) break;
      this.#refusals.delete(oldest);
    }
    this.#telemetry.log("warn", `no link with host ${address}: refused: ${reason}`);
  }

  /** Bytes that wait to be sent to the host. */
  unsent(host: string, bytes: number): void {
    this.#metrics.unsentBytes.set(bytes, { host });
  }

  /** Counts the frames and bytes that a connection has sent between two readings. */
  sent(
    host: string,
    purpose: Purpose,
    before: Connection["queued"],
    now: Connection["queued"],
  ): void {
    this.#metrics.sentBytes.add(now.bytes - before.bytes, { host, purpose });
    this.#metrics.sentFrames.add(now.frames - before.frames, { host, purpose });
  }

  #note(host: string, reason: string, failure: string): void {
    if (this.#reasons.get(host) === reason) return;
    this.#reasons.set(host, reason);
    this.#telemetry.log("warn", `${failure} host ${host}: ${reason}`);
  }
}
