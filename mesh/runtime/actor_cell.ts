/**
 * An actor on its node: its mailbox, its behaviour, and its supervision.
 *
 * The cell outlives crashes. Waiting messages stay in the mailbox while the behaviour is made
 * again, but for those of the crashed behaviour's timers; requests that it had taken fail, and its
 * own asks are withdrawn. A cell handles one message at a time: a handler that returns a promise
 * keeps the cell busy until the promise settles.
 */
import { present } from "../../structures/invariant.ts";
import type { ActorDefinition, Address, Behavior, Message, Priority } from "./actor.ts";
import { isSampled, type TraceContext, traceIdOf } from "../ports/tracing.ts";
import type { ActorStatistics, CellState } from "./actor_statistics.ts";
import { CellContext } from "./actor_context.ts";
import { ActorTelemetry } from "./actor_telemetry.ts";
import type { CellHost } from "./cell_host.ts";
import { CellTimers } from "./cell_timers.ts";
import { Ask, type AskReceiver } from "./ask.ts";
import { AskWaits } from "./ask_waits.ts";
import type { CancelSignal } from "./cancel_signal.ts";
import { ActorFailedError, OverloadedError, reasonOf } from "./errors.ts";
import { Mailbox, Reminder } from "./mailbox.ts";
import { RestartHistory } from "./restart_history.ts";
import { TakenRequests } from "./taken_requests.ts";

type AnyDefinition = ActorDefinition<Message, unknown>;

export class ActorCell implements AskReceiver {
  readonly address: Address;
  /** Shared by all incarnations. */
  readonly telemetry: ActorTelemetry;
  readonly #definition: AnyDefinition;
  readonly #options: unknown;
  readonly #host: CellHost;
  readonly #mailbox: Mailbox;

  state: CellState = "starting";
  /** It is in the node's queue of cells that have work. */
  scheduled = false;
  #behavior: Behavior<Message> | undefined;
  #context: CellContext | undefined;
  /** The behaviour is being made. */
  #creating = false;
  #busy = false;
  readonly #taken = new TakenRequests();
  readonly #timers: CellTimers;
  readonly #waits: AskWaits;
  readonly #restarts: RestartHistory;
  #drained: (() => void) | undefined;
  #stopping: Promise<number> | undefined;

  readonly #counts = { handled: 0, dropped: 0, rejected: 0, expired: 0, cancelled: 0 };

  constructor(definition: AnyDefinition, address: Address, options: unknown, host: CellHost) {
    this.#definition = definition;
    this.address = address;
    this.#options = options;
    this.#host = host;
    this.telemetry = new ActorTelemetry(host.telemetry, this);
    this.#mailbox = new Mailbox(definition.mailbox);
    this.#restarts = new RestartHistory(definition.restart);
    this.#timers = new CellTimers(host.clock);
    this.#waits = new AskWaits(host.telemetry, definition.kind);
  }

  get nodeName(): string {
    return this.#host.name;
  }

  get capacity(): number {
    return this.#mailbox.options.capacity;
  }

  /** Messages that wait. */
  get queued(): number {
    return this.#mailbox.length;
  }

  get waitingFor(): string | undefined {
    return this.#context?.waitingFor;
  }

  /** The request whose handler runs, or runs on. */
  get currentAsk(): Ask | undefined {
    return this.#taken.handled;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** It computes, or waits for something that is neither a message nor a timer of this mesh. */
  get waitsOutside(): boolean {
    return (this.#busy || this.#creating) && this.#context?.waits === false;
  }

  /** The message whose handler runs, or runs on. */
  get currentMessage(): Message | undefined {
    return this.#taken.message;
  }

  isCurrent(context: CellContext): boolean {
    return this.#context === context;
  }

  get hasWork(): boolean {
    // One that stops has no behaviour any more where it has crashed.
    return !this.#busy && this.#mailbox.length > 0 && this.#behavior !== undefined;
  }

  statistics(): ActorStatistics {
    return {
      address: this.address,
      state: this.state,
      queued: this.queued,
      ...this.#counts,
      restarts: this.#restarts.total,
    };
  }

  // ---- start and stop

  /** Makes the first behaviour. A failure is thrown to the caller and not retried. */
  async start(): Promise<void> {
    try {
      await this.#create();
    } catch (error) {
      this.#end();
      throw new ActorFailedError(this.address, `cannot start: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }

  /**
   * Refuses new messages, handles the waiting ones until `deadline` settles, then releases the
   * behaviour. While it stops, a further call waits for the first one.
   *
   * @returns Messages and unanswered requests that were given up.
   */
  stop(deadline: Promise<void>): Promise<number> {
    return this.#stopping ??= this.#stop(deadline);
  }

  async #stop(deadline: Promise<void>): Promise<number> {
    if (this.state === "stopped") return 0;
    const runs = this.state === "running";
    const behavior = this.#behavior; // released below, also if it crashes until then
    this.state = "stopping";
    this.#timers.cancelAll();
    if (runs) this.#beginStop();
    if (runs && !this.#idle) {
      await Promise.race([new Promise<void>((resolve) => this.#drained = resolve), deadline]);
    }
    const abandoned = this.#mailbox.length + this.#taken.waiting;
    await this.#release(behavior);
    this.#end();
    return abandoned;
  }

  async #create(): Promise<void> {
    const context = this.#context = new CellContext(this, this.#host);
    this.#creating = true;
    let behavior: Behavior<Message>;
    try {
      behavior = await this.#definition.create(context, this.#options);
    } finally {
      this.#creating = false;
    }
    if (this.state !== "starting" && this.state !== "restarting") {
      await this.#release(behavior);
      return;
    }
    this.#behavior = behavior;
    this.state = "running";
    this.#wake();
  }

  #beginStop(): void {
    try {
      this.#behavior?.beginStop?.();
    } catch (error) {
      this.#unclean(error);
    }
  }

  async #release(behavior: Behavior<Message> | undefined): Promise<void> {
    try {
      await behavior?.stop?.();
    } catch (error) {
      this.#unclean(error);
    }
  }

  #unclean(error: unknown): void {
    this.#host.telemetry.log("error", `${this.address} did not stop cleanly`, {
      reason: reasonOf(error),
    });
  }

  #end(): void {
    this.state = "stopped";
    this.#behavior = undefined;
    this.#endContext();
    this.telemetry.end();
    this.#timers.cancelAll();
    this.#failTaken("it has stopped");
    for (let mail = this.#mailbox.take(); mail; mail = this.#mailbox.take()) {
      if (mail instanceof Ask) this.#refuse(mail, "it has stopped");
      else this.#counts.dropped++;
    }
  }

  // ---- receiving

  priorityOf(message: Message): Priority {
    return this.#definition.priorityOf(message);
  }

  deliverTell(message: Message): void {
    if (this.state === "stopped" || this.state === "stopping") {
      this.#counts.dropped++;
      return;
    }
    if (this.#mailbox.offer(message, this.priorityOf(message)) === "refused") {
      this.#counts.dropped++;
    } else this.#wake();
  }

  deliverAsk(ask: Ask): void {
    if (this.state === "stopped") return this.#refuse(ask, "it has stopped");
    if (this.state === "stopping") return this.#refuse(ask, "it is stopping");
    ask.receiver = this;
    const priority = this.priorityOf(ask.message);
    if (this.#mailbox.offer(ask, priority) === "refused") {
      this.#counts.rejected++;
      const waiting = this.#mailbox.lengthOf(priority);
      this.#host.settleError(ask, new OverloadedError(this.address, waiting, this.capacity));
    } else this.#wake();
  }

  /** Asks the node for turns, if there is work. */
  #wake(): void {
    if (!this.scheduled && this.hasWork) this.#host.ready(this);
  }

  /** Handles up to `messagesMax` waiting messages, fewer when a handler has to be waited for. */
  run(messagesMax: number): number {
    let handled = 0;
    while (handled < messagesMax && this.hasWork) {
      const mail = present(this.#mailbox.take(), "a cell with work has a message");
      if (mail instanceof Reminder && mail.context !== this.#context) continue;
      const behavior = present(this.#behavior, "a cell with work has a behaviour");
      const message = mail instanceof Ask || mail instanceof Reminder ? mail.message : mail;
      if (mail instanceof Ask) {
        const nowMs = this.#host.clock.monotonicMs();
        this.#waits.took(nowMs - mail.sentAtMs);
        if (mail.aborted) {
          this.#counts.cancelled++;
          continue;
        }
        if (mail.settled || nowMs >= mail.deadlineMs) { // its asker gives it up, or has
          this.#counts.expired++;
          this.#host.expire(mail);
          continue;
        }
        mail.startedAtMs = nowMs;
        if (isSampled(mail.trace)) mail.beginSpan(this.#host, nowMs);
      }
      this.#taken.begin(message, mail instanceof Ask ? mail : undefined);
      handled++;
      try {
        const result = behavior.receive(message);
        if (result === undefined) this.#taken.finish();
        else {
          this.#busy = true;
          result.then(
            () => this.#behavior === behavior && this.#handlerSettled(),
            (error) => this.#behavior === behavior && this.#crash(error),
          );
        }
      } catch (error) {
        this.#crash(error);
      }
    }
    this.#counts.handled += handled;
    this.#noticeIdle();
    return handled;
  }

  #handlerSettled(): void {
    this.#busy = false;
    this.#taken.finish();
    if (this.hasWork) this.#host.ready(this);
    else this.#noticeIdle();
  }

  get #idle(): boolean {
    return !this.#busy && this.#mailbox.length === 0 && this.#taken.waiting === 0;
  }

  #noticeIdle(): void {
    if (this.#drained && this.#idle) this.#drained();
  }

  // ---- answering, for the context

  answer(request: Message, settle: (ask: Ask) => void): void {
    const ask = this.#taken.find(request);
    if (!ask) return;
    this.#taken.remove(ask);
    if (!ask.settled) settle(ask);
    this.#noticeIdle();
  }

  remainingMs(request: Message): number {
    const ask = this.#taken.find(request);
    return ask ? Math.max(0, ask.deadlineMs - this.#host.clock.monotonicMs()) : Infinity;
  }

  traceOf(request: Message): TraceContext | undefined {
    return this.#taken.find(request)?.innerTrace;
  }

  signalOf(request: Message): CancelSignal | undefined {
    return this.#taken.find(request);
  }

  shield(request: Message): boolean {
    const ask = this.#taken.find(request);
    if (ask === undefined || ask.settled) return false;
    ask.shielded = true;
    return true;
  }

  /** The asker of a request that waits has given it up. */
  askExpired(ask: Ask): void {
    this.#taken.remove(ask);
    this.#noticeIdle();
  }

  schedule(context: CellContext, delayMs: number, message: Message): { cancel(): void } {
    if (context !== this.#context || this.state === "stopping") return { cancel() {} };
    return this.#timers.schedule(delayMs, () => {
      if (context !== this.#context) return;
      this.#mailbox.force(new Reminder(message, context), this.priorityOf(message));
      this.#wake();
    });
  }

  // ---- supervision

  #refuse(ask: Ask, reason: string): void {
    this.#host.settleError(ask, new ActorFailedError(this.address, reason));
  }

  /** The incarnation has ended: its asks and pauses are given up, and it can send no more. */
  #endContext(): void {
    const context = this.#context;
    if (context === undefined) return;
    this.#context = undefined;
    this.#host.withdrawAsks(context);
    context.endPauses();
  }

  /** Fails the requests that the behaviour had taken. */
  #failTaken(reason: string, cause?: unknown): void {
    const taken = this.#taken.takeAll();
    this.#busy = false;
    for (const ask of taken) {
      this.#host.settleError(ask, new ActorFailedError(this.address, reason, { cause }));
    }
  }

  #crash(error: unknown): void {
    if (this.state === "stopped") return;
    const behavior = this.#behavior;
    const context = this.#context;
    this.#behavior = undefined;
    this.#endContext();
    const { trace } = this.#taken.handled ?? {};
    this.#failTaken(reasonOf(error), error);
    if (this.state === "stopping") {
      this.#unclean(error);
      this.#drained?.();
      return;
    }
    this.state = "restarting";
    this.#timers.cancelAll();
    this.#release(behavior)
      .then(() => context?.settleWrites())
      .then(() => this.#scheduleRestart(error, trace));
  }

  #scheduleRestart(error: unknown, trace?: TraceContext): void {
    if (this.state !== "restarting") return;
    this.#timers.cancelAll();
    const { address } = this;
    const nowMs = this.#host.clock.monotonicMs();
    const { delayMs, isExceeded, restarts } = this.#restarts.next(nowMs);
    if (isExceeded) {
      if (delayMs === undefined) this.#end();
      const failure = { address, node: this.#host.name, error, restarts };
      this.#host.escalate(delayMs === undefined ? failure : { ...failure, restartsInMs: delayMs });
    }
    if (delayMs === undefined) return;
    this.#host.telemetry.log("warn", `${address} crashed and restarts in ${delayMs} ms`, {
      reason: reasonOf(error),
      restart: restarts,
      restartsMax: this.#definition.restart.restartsMax,
      ...(trace !== undefined && { traceId: traceIdOf(trace) }),
    });
    this.#timers.schedule(delayMs, () => {
      const creating = this.#create();
      const context = this.#context;
      creating.catch(async (failure) => {
        this.#endContext(); // of a create that failed half way
        await context?.settleWrites();
        this.#scheduleRestart(failure);
      });
    });
  }
}
