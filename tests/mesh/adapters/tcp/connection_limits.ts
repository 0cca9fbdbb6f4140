/**
 * The bounds of a connection that the configuration has by default.
 */
import type { ConnectionLimits } from "../../../../mesh/adapters/tcp/connection.ts";

export const connectionLimits: ConnectionLimits = {
  heartbeatMs: 1_000,
  silenceMs: 5_000,
  frameBytesMax: 64 * 2 ** 20,
  windowBytes: 64 * 2 ** 20,
};
