import type { RestartPolicy } from "./actor.ts";

/**
 * For actors that requests wait for: they come back at once, and a failure that lasts ends the
 * process within a minute, so that its supervisor sees it.
 */
export const servingRestarts: RestartPolicy = {
  restartsMax: 10,
  periodMs: 60_000,
  backoffMs: 50,
  backoffMsMax: 5_000,
};
