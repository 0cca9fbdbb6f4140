/**
 * A timer ends with the incarnation of the actor that set it.
 *
 *     ∀ message that an actor has scheduled for itself and handles:
 *         its present incarnation has scheduled it, or has sent it to itself
 *
 * Messages are told apart by identity, because a timer's message never leaves its thread.
 */
import type { Message } from "../../mesh/runtime/actor.ts";
import type { Checker, CheckerContext } from "./checker.ts";

export function ownTimers(context: CheckerContext): Checker {
  /** Messages that some incarnation has scheduled. */
  const scheduled = new WeakSet<Message>();
  /** By host and actor, messages to come of the present incarnations, and how often each. */
  const due = new Map<string, Map<Message, number>>();
  const expect = (actor: string, message: Message) => {
    const own = due.get(actor) ?? new Map<Message, number>();
    due.set(actor, own);
    own.set(message, (own.get(message) ?? 0) + 1);
  };
  return {
    name: "own-timers",
    processBegan(host) {
      for (const key of due.keys()) if (key.startsWith(`${host} `)) due.delete(key);
    },
    creates: (actor, host) => void due.delete(`${host} ${actor}`),
    schedules(actor, message, host) {
      scheduled.add(message);
      expect(`${host} ${actor}`, message);
    },
    reminds(actor, message, host) {
      if (scheduled.has(message)) expect(`${host} ${actor}`, message);
    },
    handles(actor, message, host) {
      if (!scheduled.has(message)) return;
      const own = due.get(`${host} ${actor}`);
      const count = own?.get(message) ?? 0;
      if (count === 0) {
        context.fail(`${actor} handles ${message.kind}, which an earlier incarnation scheduled`);
      } else if (count === 1) own?.delete(message);
      else own?.set(message, count - 1);
    },
  };
}
