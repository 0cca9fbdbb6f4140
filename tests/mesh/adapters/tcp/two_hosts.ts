/**
 * Two hosts of a mesh in this process, linked over loopback sockets.
 */
import { type ConnectionLimits } from "../../../../mesh/adapters/tcp/connection.ts";
import { denoNetwork } from "../../../../mesh/adapters/tcp/deno_network.ts";
import { HostLinks, type OpenedChannel } from "../../../../mesh/adapters/tcp/host_links.ts";
import { type HostIdentity, PROTOCOLS } from "../../../../mesh/adapters/tcp/host_identity.ts";
import { DenoClock } from "../../../../mesh/adapters/deno/deno_clock.ts";
import { DenoRandom } from "../../../../mesh/adapters/deno/deno_random.ts";
import type { Clock } from "../../../../mesh/ports/clock.ts";
import type { Telemetry } from "../../../../mesh/ports/telemetry.ts";
import { TelemetryRecorder } from "../../../../mesh/simulation/telemetry_recorder.ts";
import { connectionLimits } from "./connection_limits.ts";

export interface HostUnderTest {
  readonly links: HostLinks;
  /** Channels in the order in which they opened. */
  readonly channels: OpenedChannel[];
  readonly telemetry: TelemetryRecorder;
}

export interface HostSettings {
  readonly identity?: Partial<HostIdentity>;
  readonly secrets?: readonly string[];
  readonly limits?: Partial<ConnectionLimits>;
  /** Port of the other host. */
  readonly peerPort?: number;
  readonly port?: number;
  readonly clock?: Clock;
  /** In place of the recorder. */
  readonly telemetry?: Telemetry;
  readonly onChannel?: (opened: OpenedChannel) => void;
}

export const clock = new DenoClock();

/** Opens host `a` or `b`; the other one is its only peer. */
export function openHost(host: string, settings: HostSettings = {}): HostUnderTest {
  const { identity, secrets = ["a secret"], limits, peerPort = 1, port = 0 } = settings;
  const channels: OpenedChannel[] = [];
  const telemetry = new TelemetryRecorder();
  const links = HostLinks.open({
    own: {
      mesh: "shop",
      host,
      incarnation: crypto.randomUUID(),
      protocols: PROTOCOLS,
      configuration: { features: "f1", model: "m1" },
      nodes: [`${host}:main`],
      ...identity,
    },
    address: { hostname: "127.0.0.1", port },
    peers: new Map([[host === "a" ? "b" : "a", { hostname: "127.0.0.1", port: peerPort }]]),
    secrets,
    limits: { ...connectionLimits, ...limits },
    network: denoNetwork,
    clock: settings.clock ?? clock,
    random: new DenoRandom().stream("backoff"),
    telemetry: settings.telemetry ?? telemetry,
    onChannel(opened) {
      channels.push(opened);
      settings.onChannel?.(opened);
    },
  });
  return { links, channels, telemetry };
}

/** Resolves when the condition holds; fails after a minute. */
export async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`never: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Two hosts with both of their connections. */
export async function linkedHosts(
  a: HostSettings = {},
  b: HostSettings = {},
): Promise<{ a: HostUnderTest; b: HostUnderTest }> {
  const right = openHost("b", b);
  const left = openHost("a", { ...a, peerPort: right.links.port });
  await until(() => left.channels.length >= 2 && right.channels.length >= 2);
  return { a: left, b: right };
}

/** The channel for messages that opened last. */
export function messagesOf({ channels }: HostUnderTest): OpenedChannel {
  return channels.findLast(({ purpose }) => purpose === "messages")!;
}
