/**
 * An actor that answers by a function, in place of a real one.
 */
import type { ActorDefinition, Message } from "../../mesh/runtime/actor.ts";

/** In place of an answer: the actor stands still, and its asker waits in vain. */
export const NO_ANSWER = Symbol("no answer");

/**
 * An actor that answers each message by a function; an error is the answer too. A promise is
 * answered when it resolves; further messages are answered meanwhile.
 */
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
        const reply = (answered: unknown) => {
          if (answered !== NO_ANSWER) context.reply(message, answered as never);
        };
        try {
          const answered = answer(message);
          if (answered instanceof Promise) void answered.then(reply);
          else reply(answered);
        } catch (error) {
          context.replyError(message, error as Error);
        }
      },
    }),
  };
}
