/**
 * The joiner as composition spawns it: mailbox, restarts and priorities.
 */
import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { fencedEventLog } from "../../mesh/runtime/fenced_stores.ts";
import { Joiner } from "./joiner.ts";
import type { JoinerLogs } from "./opened_joiner.ts";
import type { JoinerOptions } from "./options.ts";
import type { JoinerMessage } from "./protocol.ts";

export type { JoinerLogs, JoinerOptions };

export function defineJoiner(
  dependencies: JoinerLogs,
): ActorDefinition<JoinerMessage, JoinerOptions> {
  return {
    kind: "joiner",
    mailbox: { capacity: 1_024, overflow: "reject" },
    restart: {
      restartsMax: 5,
      periodMs: 60_000,
      backoffMs: 100,
      backoffMsMax: 5_000,
      goesOn: true,
    },
    priorityOf: (message) => message.kind === "eventsAppended" ? "write" : "control",
    create: (context, options) =>
      Joiner.start(context, options, {
        ...dependencies,
        eventLog: fencedEventLog(dependencies.eventLog, context),
        exampleLog: fencedEventLog(dependencies.exampleLog, context),
      }),
  };
}
