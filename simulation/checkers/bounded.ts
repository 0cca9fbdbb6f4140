/**
 * Nothing grows past its configured limit.
 *
 *     ∀ time:  bytes(log) ≤ bytesMax(log), for both logs
 *     ∀ time:  the joiner's open impressions ≤ impressionsMax
 */
import type { JoinerStatus } from "../../actors/joiner/protocol.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { MachineDisk } from "../disk/machine_disk.ts";
import type { CheckerFactory } from "./checker.ts";

export function bounded(
  configuration: () => CairnConfiguration,
  disk: MachineDisk,
): CheckerFactory {
  return (context) => ({
    name: "bounded",
    durable(log) {
      const bytes = disk.logBytes(log);
      const { logBytesMax } = configuration().storage;
      if (bytes > logBytesMax) {
        context.fail(`the log ${log} holds ${bytes} of ${logBytesMax} bytes`);
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
