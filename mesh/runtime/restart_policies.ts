/**
 * When the actors of a mesh are restarted after a crash.
 */
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

/**
 * For actors that requests can do without: a request gets less, and is answered. They come back at
 * once, and are restarted as often as needed.
 */
export const helpingRestarts: RestartPolicy = { ...servingRestarts, goesOn: true };

/**
 * For actors that hold rows, which a restart loads again or begins anew: few restarts are reported,
 * and they are restarted as often as needed.
 */
export const rowsRestarts: RestartPolicy = {
  restartsMax: 3,
  periodMs: 60_000,
  backoffMs: 100,
  backoffMsMax: 5_000,
  goesOn: true,
};
