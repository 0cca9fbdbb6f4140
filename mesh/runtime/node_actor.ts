/**
 * A node's own actor, `node/NAME`. Through it the node that starts the mesh makes and ends actors
 * on other nodes, with the messages, deadlines and errors of any other actor.
 */
import type { ActorDefinition, Address, Message, Request } from "./actor.ts";
import type { ActorStatistics } from "./actor_statistics.ts";
import type { SpanSeen } from "../ports/tracing.ts";
import type { Node } from "./node.ts";

/** Makes an actor of a kind that the node knows; fails as its `create` fails. */
export interface SpawnActor extends Request<void> {
  readonly kind: "spawn";
  readonly actorKind: string;
  readonly key: string;
  readonly options: unknown;
}

/**
 * Ends an actor after its waiting messages are handled, or after `drainMs`; answers how many were
 * given up.
 */
export interface StopActor extends Request<number> {
  readonly kind: "stop";
  readonly address: Address;
  readonly drainMs: number;
  /** Another node has the actor already: messages go there from now on. Default false. */
  readonly hasMoved?: boolean;
}

/** Tells the node where these actors are from now on. */
export interface PlaceActors extends Request<void> {
  readonly kind: "place";
  readonly placement: readonly (readonly [address: Address, node: string])[];
}

/** Hands a message to an actor of this node, wherever others of its address are. */
export interface DeliverHere {
  readonly kind: "deliver";
  readonly address: Address;
  readonly message: Message;
}

export interface NodeStatistics {
  readonly actors: readonly ActorStatistics[];
  readonly deadLetters: number;
}

export interface GetNodeStatistics extends Request<NodeStatistics> {
  readonly kind: "getStatistics";
}

/**
 * The node's metrics, in the form of the telemetry adapter that the composition chose; plain data.
 */
export interface GetNodeMetrics extends Request<unknown> {
  readonly kind: "getMetrics";
}

/** Asks for the node's recent spans of these traces, and for those that are linked to them. */
export interface GetNodeSpans extends Request<readonly SpanSeen[]> {
  readonly kind: "getSpans";
  readonly traceIds: readonly string[];
}

export type NodeMessage =
  | SpawnActor
  | StopActor
  | PlaceActors
  | DeliverHere
  | GetNodeStatistics
  | GetNodeMetrics
  | GetNodeSpans;

/** Any definition; its options are checked where the plan is made. */
// deno-lint-ignore no-explicit-any -- a registry holds definitions of different message types
export type AnyDefinition = ActorDefinition<any, any>;

/** The definitions and the metrics of a node, composed in its own thread. */
export interface NodeComposition {
  readonly definitions: readonly AnyDefinition[];
  /** Takes a snapshot of this thread's instruments. */
  readonly metrics?: () => Promise<unknown>;
}

export function defineNodeActor(
  node: Node,
  { definitions, metrics }: NodeComposition,
): ActorDefinition<NodeMessage, undefined> {
  const byKind = new Map(definitions.map((definition) => [definition.kind, definition]));
  return {
    kind: "node",
    mailbox: { capacity: 4_096, overflow: "reject" },
    restart: { restartsMax: 10, periodMs: 60_000, backoffMs: 10, backoffMsMax: 1_000 },
    priorityOf: () => "control",
    create: (context) => ({
      receive(message) {
        switch (message.kind) {
          case "spawn": {
            const definition = byKind.get(message.actorKind);
            if (!definition) {
              return context.replyError(
                message,
                new Error(
                  `Node ${node.name} knows no actor kind "${message.actorKind}"; it has ${
                    [...byKind.keys()].join(", ")
                  }`,
                ),
              );
            }
            // Not awaited: while it is made, an actor may ask the node to make or find others.
            node.spawn<Message, unknown>(definition, message.key, message.options).then(
              () => context.reply(message, undefined),
              (error) => context.replyError(message, error),
            );
            return;
          }
          case "stop":
            node.stopActor(message.address, message.drainMs, message.hasMoved).then(
              (abandoned) => context.reply(message, abandoned),
              (error) => context.replyError(message, error),
            );
            return;
          case "place":
            node.setPlacement(message.placement);
            return context.reply(message, undefined);
          case "deliver":
            return node.receiveTell(message.address, message.message);
          case "getStatistics":
            return context.reply(message, {
              actors: node.statistics(),
              deadLetters: node.deadLetters,
            });
          case "getMetrics":
            (metrics?.() ?? Promise.resolve(undefined)).then(
              (snapshot) => context.reply(message, snapshot),
              (error) => context.replyError(message, error),
            );
            return;
          case "getSpans":
            return context.reply(message, node.tracing.find?.(message.traceIds) ?? []);
          default:
            message satisfies never;
        }
      },
    }),
  };
}
