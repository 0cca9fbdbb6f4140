/**
 * The actor by which the console of one gateway reads the activity of another one.
 */
import type { ActorDefinition, Request } from "../../mesh/runtime/actor.ts";
import type { Activity, ActivitySeen } from "./activity.ts";

/** Asks a gateway for its newest rankings, events and refusals. */
export interface GetActivity extends Request<ActivitySeen> {
  readonly kind: "getActivity";
}

/** Its address is `gateway_activity/HOST`. */
export function defineActivityActor(activity: Activity): ActorDefinition<GetActivity, undefined> {
  return {
    kind: "gateway_activity",
    mailbox: { capacity: 64, overflow: "reject" },
    restart: { restartsMax: 10, periodMs: 60_000, backoffMs: 10, backoffMsMax: 1_000 },
    priorityOf: () => "read",
    create: (context) => ({
      receive: (message) => context.reply(message, activity.read()),
    }),
  };
}
