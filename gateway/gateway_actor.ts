/**
 * The actor of a gateway for the other gateways of its mesh: their consoles read its activity,
 * their erasures have it forget users, and their events find its rankings.
 */
import type { EventLog } from "../mesh/ports/event_log.ts";
import { UNLOGGED_ITEM } from "../mesh/ports/shared_rankings.ts";
import type { ActorDefinition, Request } from "../mesh/runtime/actor.ts";
import type { Activity, ActivitySeen } from "./console/activity.ts";
import { forgetUser } from "./erasure/forget_user.ts";
import type { GatewayMemory } from "./memory/gateway_memory.ts";
import type { UserEvent, UserRanking } from "./memory/user_rankings.ts";
import type { NamedRanking, RememberedRanking } from "./parts.ts";

/** Asks a gateway for its newest rankings, events and refusals; none where it has no console. */
export interface GetActivity extends Request<ActivitySeen> {
  readonly kind: "getActivity";
}

/** Asks a gateway to forget the rankings of a user, in its memory and in its console. */
export interface ForgetUser extends Request<void> {
  readonly kind: "forgetUser";
  readonly user: string;
}

/**
 * Asks a gateway for the rankings that it served and that showed the items of events to their
 * users. The answer has a list for each event, newest first: at most {@link FOUND_MAX}.
 */
export interface FindRankings extends Request<readonly (readonly UserRanking[])[]> {
  readonly kind: "findRankings";
  readonly events: readonly UserEvent[];
  /** Time between a ranking and its event, ms, exclusive. */
  readonly withinMs: number;
}

/**
 * Asks a gateway for the rankings that events or reports of shown items name; the answer has one
 * entry for each of them.
 */
export interface CheckRankings extends Request<readonly RememberedRanking[]> {
  readonly kind: "checkRankings";
  readonly events: readonly NamedRanking[];
}

/** Rankings that an answer has for an event: the log may lack the newest. */
export const FOUND_MAX = 2;

export type GatewayMessage = GetActivity | ForgetUser | FindRankings | CheckRankings;

/** The state of a gateway that others reach. */
export interface GatewayState {
  readonly memory: GatewayMemory;
  readonly eventLog: Pick<EventLog, "refusal">;
  /** Absent where there is no console. */
  readonly activity?: Activity;
}

const noActivity: ActivitySeen = { rankings: [], events: [], refusals: [] };

/** Its address is `gateway/HOST`. */
export function defineGatewayActor(
  { memory, eventLog, activity }: GatewayState,
): ActorDefinition<GatewayMessage, undefined> {
  return {
    kind: "gateway",
    mailbox: { capacity: 1_024, overflow: "reject" },
    restart: { restartsMax: 10, periodMs: 60_000, backoffMs: 10, backoffMsMax: 1_000 },
    priorityOf: (message) => message.kind === "forgetUser" ? "control" : "read",
    create: (context) => ({
      receive(message) {
        switch (message.kind) {
          case "getActivity":
            return context.reply(message, activity?.read() ?? noActivity);
          case "findRankings":
            return context.reply(
              message,
              message.events.map((event) =>
                memory.servedBefore(event, message.withinMs, FOUND_MAX)
              ),
            );
          case "checkRankings":
            return context.reply(
              message,
              message.events.map((event) => remembered(event, memory, eventLog)),
            );
          case "forgetUser":
            forgetUser(message.user, memory, activity);
            return context.reply(message, undefined);
          default:
            message satisfies never;
        }
      },
    }),
  };
}

function remembered(
  { rankingId, item }: NamedRanking,
  { rankings }: GatewayMemory,
  eventLog: GatewayState["eventLog"],
): RememberedRanking {
  const lookup = rankings.check(rankingId, item);
  // The asker does not find it in the log: a failover may have lost it, and only this gateway can
  // append it again.
  const isUnlogged = rankings.check(rankingId, UNLOGGED_ITEM) === "shown" ||
    lookup !== "unknown-ranking" && eventLog.refusal() !== undefined;
  return { lookup, isUnlogged };
}
