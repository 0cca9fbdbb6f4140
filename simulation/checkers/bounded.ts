/**
 * Nothing grows past its configured limit.
 *
 *     ∀ time:  bytes(log) ≤ bytesMax(log), for both logs
 *     ∀ time:  the joiner's open impressions ≤ impressionsMax
 */
import type { JoinerStatus } from "../../actors/joiner/protocol.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { LogMedium } from "../world/log_medium.ts";
import type { CheckerFactory } from "./checker.ts";

/** @param logs Both logs of the disk. */
export function bounded(
  configuration: () => CairnConfiguration,
  logs: () => readonly LogMedium[],
): CheckerFactory {
  return (context) => ({
    name: "bounded",
    durable() {
      for (const log of logs()) {
        const { bytes, bytesMax } = log.usage();
        if (bytes > bytesMax) {
          context.fail(`the log ${log.name} holds ${bytes} of ${bytesMax} bytes`);
        }
      }
    },
    answers(actor, request, value) {
      if (!actor.startsWith("joiner/") || request.kind !== "getStatus") return;
      const { impressionsOpen } = value as JoinerStatus;
      const { impressionsMax } = configuration().joiner;
      if (impressionsOpen > impressionsMax) {
        context.fail(`${actor} holds ${impressionsOpen} of ${impressionsMax} impressions`);
      }
    },
  });
}
