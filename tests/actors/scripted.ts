/**
 * An actor that answers by a function, in place of a real one.
 */
import type { ActorDefinition, Message } from "../../mesh/runtime/actor.ts";

/** An actor that answers each message by a function; an error is the answer too. */
export function scripted(
  kind: string,
  answer: (message: Message) => unknown,
): ActorDefinition<Message, undefined> {
  return {
    kind,
    mailbox: { capacity: 64, overflow: "reject" },
    restart: { restartsMax: 3, periodMs: 60_000, backoffMs: 10, backoffMsMax: 10 },
    priorityOf: () => "read",
    create: (context) => ({
      receive(message) {
        try {
          context.reply(message, answer(message) as never);
        } catch (error) {
          context.replyError(message, error as Error);
        }
      },
    }),
  };
}
