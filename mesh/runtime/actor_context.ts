/**
 * What a handler sees of the mesh: one context for each incarnation of an actor, so that what an old incarnation left
 * behind (a promise that settles late) can no longer answer or schedule in the name of the new one.
 */
import type { ActorContext, ActorRef, Address, Message, ReplyOf, Request } from "./actor.ts";
import type { ActorCell, CellHost } from "./actor_cell.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import { TracedTelemetry } from "./traced_telemetry.ts";

export class CellContext implements ActorContext<Message> {
  readonly #cell: ActorCell;
  readonly #host: CellHost;
  readonly self: ActorRef<Message>;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;

  constructor(cell: ActorCell, host: CellHost) {
    this.#cell = cell;
    this.#host = host;
    this.clock = host.clock;
    this.telemetry = new TracedTelemetry(host.telemetry, cell);
    this.random = {
      stream: (name) => host.random.stream(`${cell.address}/${name}`),
      uuid: () => host.random.uuid(),
    };
    this.self = host.createRef(cell.address, cell);
  }

  actorRef<N extends Message>(address: Address): ActorRef<N> {
    return this.#host.createRef(address, this.#cell) as unknown as ActorRef<N>;
  }

  reply<Q extends Request<unknown>>(
    request: Q,
    value: ReplyOf<Q>,
    transfer?: readonly Transferable[],
  ): void {
    this.#cell.answer(request, (ask) => this.#host.settleValue(ask, value, transfer));
  }

  replyError(request: Request<unknown>, error: Error): void {
    this.#cell.answer(request, (ask) => this.#host.settleError(ask, error));
  }

  remainingMs(request: Message): number {
    return this.#cell.remainingMs(request);
  }

  traceIdOf(request: Message): string | undefined {
    return this.#cell.traceIdOf(request);
  }

  schedule(delayMs: number, message: Message): { cancel(): void } {
    return this.#cell.schedule(this, delayMs, message);
  }
}
