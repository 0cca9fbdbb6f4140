/**
 * The actor of a gateway for the other gateways of its mesh: their consoles read its activity, and
 * their erasures have it forget users.
 */
import type { ActorDefinition, Request } from "../mesh/runtime/actor.ts";
import type { Activity, ActivitySeen } from "./console/activity.ts";
import type { GatewayMemory } from "./memory/gateway_memory.ts";

/** Asks a gateway for its newest rankings, events and refusals; none where it has no console. */
export interface GetActivity extends Request<ActivitySeen> {
  readonly kind: "getActivity";
}

/** Asks a gateway to forget the rankings of a user, in its memory and in its console. */
export interface ForgetUser extends Request<void> {
  readonly kind: "forgetUser";
  readonly user: string;
}

export type GatewayMessage = GetActivity | ForgetUser;

/** The state of a gateway that others reach. */
export interface GatewayState {
  readonly memory: GatewayMemory;
  /** Absent where there is no console. */
  readonly activity?: Activity;
}

const noActivity: ActivitySeen = { rankings: [], events: [], refusals: [] };

/** Its address is `gateway/HOST`. */
export function defineGatewayActor(
  { memory, activity }: GatewayState,
): ActorDefinition<GatewayMessage, undefined> {
  return {
    kind: "gateway",
    mailbox: { capacity: 64, overflow: "reject" },
    restart: { restartsMax: 10, periodMs: 60_000, backoffMs: 10, backoffMsMax: 1_000 },
    priorityOf: (message) => message.kind === "getActivity" ? "read" : "control",
    create: (context) => ({
      receive(message) {
        switch (message.kind) {
          case "getActivity":
            return context.reply(message, activity?.read() ?? noActivity);
          case "forgetUser":
            memory.forget(message.user);
            activity?.forget(message.user);
            return context.reply(message, undefined);
          default:
            message satisfies never;
        }
      },
    }),
  };
}
