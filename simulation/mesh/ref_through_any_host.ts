/**
 * A reference to an actor of a mesh through a host that is up at the moment of each message.
 */
import type { ActorRef, Address, Message } from "../../mesh/runtime/actor.ts";

/**
 * @param find The reference of a host that has started; undefined while none has. Then a told
 * message is lost, and a request fails after a pause.
 */
export function refThroughAnyHost<M extends Message>(
  address: Address,
  find: () => ActorRef<M> | undefined,
  pause: () => Promise<void>,
): ActorRef<M> {
  return {
    address,
    tell: (message, transfer) => find()?.tell(message, transfer),
    ask: async (request, options) => {
      const ref = find();
      if (ref !== undefined) return await ref.ask(request, options);
      await pause();
      throw new Error(`Cannot ask ${address}: no host is up`);
    },
  };
}
