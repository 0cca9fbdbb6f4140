/**
 * An actor that asks counters in the background and crashes when told to.
 */
import type { ActorDefinition, Address } from "../../../mesh/runtime/actor.ts";
import type { CounterMessage } from "./counter_actor.ts";

export type AskerMessage =
  | { readonly kind: "askBoth" }
  | { readonly kind: "crash" }
  | { readonly kind: "sendAfterMs"; readonly ms: number };

export interface AskerOptions {
  readonly failed: (error: unknown) => void;
}

export function askerDefinition(): ActorDefinition<AskerMessage, AskerOptions> {
  return {
    kind: "asker",
    mailbox: { capacity: 100, overflow: "reject" },
    restart: { restartsMax: 3, periodMs: 10_000, backoffMs: 1, backoffMsMax: 1 },
    priorityOf: () => "write",
    create: (context, { failed }) => ({
      receive(message) {
        switch (message.kind) {
          case "askBoth":
            for (const address of ["counter/near", "counter/far"] as Address[]) {
              context.actorRef<CounterMessage>(address)
                .ask({ kind: "relay", path: [] }, { budgetMs: 5_000 }).catch(() => {});
            }
            return;
          case "sendAfterMs": {
            const counter = context.actorRef<CounterMessage>("counter/away");
            context.clock.schedule(message.ms, () => {
              counter.tell({ kind: "add", amount: 1 });
              counter.ask({ kind: "getCount" }, { budgetMs: 100 }).catch(failed);
            });
            return;
          }
          case "crash":
            throw new Error("told to crash");
          default:
            message satisfies never;
        }
      },
    }),
  };
}
