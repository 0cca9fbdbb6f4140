/**
 * A handler's view of the mesh. Each incarnation of an actor has its own context, which ends with
 * it: a promise that the old incarnation left behind and that settles late can no longer answer,
 * tell, ask or schedule.
 */
import type { ActorContext, ActorRef, Address, Message, ReplyOf, Request } from "./actor.ts";
import type { ActorCell } from "./actor_cell.ts";
import type { CellHost } from "./cell_host.ts";
import { invariant } from "../../structures/invariant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { TraceContext, Tracing } from "../ports/tracing.ts";
import type { Ask, AskSender } from "./ask.ts";
import type { CancelSignal } from "./cancel_signal.ts";
import { ActorFailedError } from "./errors.ts";

export class CellContext implements ActorContext<Message>, AskSender {
  readonly #cell: ActorCell;
  readonly #host: CellHost;
  readonly self: ActorRef<Message>;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly tracing: Tracing;
  #asksOut = 0;
  #waitingFor: string | undefined;
  readonly #pauses = new Set<{ end(): void }>();
  #writes = 0;
  #writesSettled: (() => void) | undefined;

  constructor(cell: ActorCell, host: CellHost) {
    this.#cell = cell;
    this.#host = host;
    this.clock = host.clock;
    this.telemetry = cell.telemetry;
    this.tracing = host.tracing;
    this.random = {
      stream: (name) => host.random.stream(`${cell.address}/${name}`),
      uuid: () => host.random.uuid(cell.address),
    };
    this.self = host.createRef(cell.address, this);
  }

  get isCurrent(): boolean {
    return this.#cell.isCurrent(this);
  }

  get address(): Address {
    return this.#cell.address;
  }

  /** The request whose handler runs, or runs on. */
  get currentAsk(): Ask | undefined {
    return this.isCurrent ? this.#cell.currentAsk : undefined;
  }

  /** Whether an ask or a pause of this incarnation is not settled. */
  get waits(): boolean {
    return this.#asksOut > 0 || this.#pauses.size > 0;
  }

  /** The receiver of the newest ask, while one is not settled. */
  get waitingFor(): string | undefined {
    return this.#asksOut > 0 ? this.#waitingFor : undefined;
  }

  askSent(address: string): void {
    this.#asksOut++;
    this.#waitingFor = address;
  }

  askSettled(): void {
    this.#asksOut--;
    invariant(this.#asksOut >= 0, "an ask is settled once");
  }

  async fence<T>(write: () => Promise<T>): Promise<T> {
    if (!this.isCurrent) {
      throw new ActorFailedError(this.address, "this incarnation has ended and writes no more");
    }
    this.#writes++;
    try {
      return await write();
    } finally {
      if (--this.#writes === 0) this.#writesSettled?.();
    }
  }

  /** Resolves when no fenced write is under way. */
  settleWrites(): Promise<void> {
    if (this.#writes === 0) return Promise.resolve();
    return new Promise((resolve) => this.#writesSettled = resolve);
  }

  actorRef<N extends Message>(address: Address): ActorRef<N> {
    return this.#host.createRef(address, this) as unknown as ActorRef<N>;
  }

  knows(address: Address): boolean {
    return this.#host.knows(address);
  }

  reply<Q extends Request<unknown>>(
    request: Q,
    value: ReplyOf<Q>,
    transfer?: readonly Transferable[],
  ): void {
    if (!this.isCurrent) return;
    this.#cell.answer(request, (ask) => this.#host.settleValue(ask, value, transfer));
  }

  replyError(request: Request<unknown>, error: Error): void {
    if (!this.isCurrent) return;
    this.#cell.answer(request, (ask) => this.#host.settleError(ask, error));
  }

  remainingMs(request: Message): number {
    return this.#cell.remainingMs(request);
  }

  traceOf(request: Message): TraceContext | undefined {
    return this.#cell.traceOf(request);
  }

  signalOf(request: Message): CancelSignal | undefined {
    return this.#cell.signalOf(request);
  }

  shield(request: Message): boolean {
    return this.isCurrent && this.#cell.shield(request);
  }

  schedule(delayMs: number, message: Message): { cancel(): void } {
    return this.#cell.schedule(this, delayMs, message);
  }

  pause(delayMs: number): Promise<void> {
    if (!this.isCurrent) return Promise.reject(this.#endedWhilePaused());
    return new Promise((resolve, reject) => {
      const timer = this.clock.schedule(delayMs, () => {
        this.#pauses.delete(pause);
        resolve();
      });
      const pause = {
        end: () => {
          timer.cancel();
          reject(this.#endedWhilePaused());
        },
      };
      this.#pauses.add(pause);
    });
  }

  /** The incarnation has ended: its pauses end. */
  endPauses(): void {
    for (const pause of this.#pauses) pause.end();
    this.#pauses.clear();
  }

  #endedWhilePaused(): ActorFailedError {
    return new ActorFailedError(this.address, "it has been restarted or stopped while it paused");
  }
}
