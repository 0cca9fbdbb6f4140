/**
 * A node as its cells see it.
 */
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Tracing } from "../ports/tracing.ts";
import type { ActorRef, Address, Message } from "./actor.ts";
import type { ActorCell } from "./actor_cell.ts";
import type { CellContext } from "./actor_context.ts";
import type { ActorFailure } from "./actor_statistics.ts";
import type { Ask } from "./ask.ts";

/** The part of its node that a cell uses. */
export interface CellHost {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly tracing: Tracing;
  /** Gives the cell turns until its mailbox is empty. */
  ready(cell: ActorCell): void;
  /** Whether the node of the address is known. */
  knows(address: Address): boolean;
  createRef(address: Address, sender: CellContext): ActorRef<Message>;
  settleValue(ask: Ask, value: unknown, transfer?: readonly Transferable[]): void;
  settleError(ask: Ask, error: Error): void;
  /** Settles an ask whose budget has run out with an error that says where the time went. */
  expire(ask: Ask): void;
  /** Gives up the unsettled asks of an incarnation that has ended. */
  withdrawAsks(sender: CellContext): void;
  /** The actor has used up its restarts. */
  escalate(failure: ActorFailure): void;
}
