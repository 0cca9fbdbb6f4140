/**
 * Nothing grows past its configured limit.
 *
 *     ∀ time:  bytes(log) ≤ bytesMax(log), for both logs
 *     ∀ time:  the joiner's open impressions ≤ impressionsMax
 *     ∀ time, actor:  messages in its mailbox ≤ 4 · capacity + its own timers
 *
 * A mailbox holds its capacity of each of three priorities, and as many asks that wait for room.
 */
import type { JoinerOptions } from "../../actors/joiner/options.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import { boundsPerJoiner } from "../../configuration/partitions.ts";
import type { JoinerStatus } from "../../actors/joiner/protocol.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { MailboxState } from "../world/process_nodes.ts";
import type { CheckerFactory } from "./checker.ts";

const QUEUES = 4;
/** Timers of its own whose messages may wait at an actor. */
const TIMERS_MAX = 3;
/** All mailboxes are looked at with each so many messages, and narrow ones with each message. */
const MESSAGES_PER_LOOK = 64;

/** The parts of a world that have bounds. */
export interface BoundedParts {
  readonly configuration: () => CairnConfiguration;
  /** Bytes of the log's records. */
  readonly logBytes: (log: string) => number;
  /** All mailboxes, or the narrow ones: so small that they may be full for one message only. */
  readonly mailboxes: (isNarrow: boolean) => Iterable<MailboxState>;
  /** Whether there are narrow mailboxes. */
  readonly isNarrow: boolean;
}

/** Watches the bounds of a world. */
export function bounded(
  { configuration, logBytes, mailboxes, isNarrow }: BoundedParts,
): CheckerFactory {
  let messages = 0;
  const joiners = new Map<Address, JoinerOptions>();
  return (context) => ({
    name: "bounded",
    durable(log) {
      const bytes = logBytes(log);
      const { logBytesMax } = configuration().storage;
      if (bytes > logBytesMax) {
        context.fail(`the log ${log} holds ${bytes} of ${logBytesMax} bytes`);
      }
    },
    began(actor, _host, options) {
      if (actor.startsWith("joiner/")) joiners.set(actor, options as JoinerOptions);
    },
    handles() {
      const looksAtAll = ++messages % MESSAGES_PER_LOOK === 0;
      if (!looksAtAll && !isNarrow) return;
      for (const { actor, queued, capacity } of mailboxes(!looksAtAll)) {
        const most = QUEUES * capacity + TIMERS_MAX;
        if (queued > most) context.fail(`${queued} messages wait at ${actor}, of ${most} at most`);
      }
    },
    answers(actor, request, value) {
      if (!actor.startsWith("joiner/") || request.kind !== "getStatus") return;
      const { impressionsOpen } = value as JoinerStatus;
      const { joinerBounds, partitions } = configuration();
      const { impressionsMax } = joiners.get(actor) ??
        boundsPerJoiner(joinerBounds, partitions.events);
      if (impressionsOpen > impressionsMax) {
        context.fail(`${actor} holds ${impressionsOpen} of ${impressionsMax} impressions`);
      }
    },
  });
}
