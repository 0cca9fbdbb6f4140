/**
 * Watches actors from outside: a definition that behaves as the given one, and tells an observer of
 * each message, each answer and each incarnation.
 */
import type { NodeClock } from "./node_clock.ts";
import type {
  ActorContext,
  ActorDefinition,
  ActorRef,
  Address,
  Behavior,
  Message,
  Request,
} from "../../mesh/runtime/actor.ts";

/**
 * Observes actors; its methods are called in the order of events. `host` is that of the actor, in a
 * mesh of several processes.
 */
export interface ActorObserver {
  /** A message leaves for another actor, or for the sender itself. */
  sends(from: Address, to: Address, message: Message, host?: string): void;
  /** A message comes back to the actor itself after some time. */
  schedules(actor: Address, message: Message, host?: string): void;
  /** An incarnation is being made. */
  creates(actor: Address, host?: string): void;
  /** An incarnation begins. */
  began(actor: Address, host?: string, options?: unknown): void;
  /**
   * A message is about to be handled.
   *
   * @throws {Error} Crashes the actor, as a fault does.
   */
  handles(actor: Address, message: Message, host?: string): void;
  /** A request is answered. */
  answers(actor: Address, request: Message, value: unknown, host?: string): void;
  /** An ask ended, so long after its budget; or is pending so long after it. */
  askLate(from: Address, to: Address, request: Message, lateMs: number): void;
  /** A request is handled after its deadline. */
  handledLate(actor: Address, request: Message): void;
  /** A request is answered by an error. */
  refuses(actor: Address, request: Message, error: Error, host?: string): void;
}

/** Asks that have not ended, by a key of their own. */
export interface PendingAsk {
  readonly from: Address;
  readonly to: Address;
  readonly request: Message;
  /** Time since the ask should have ended, ms; negative before. */
  overdueMs(): number;
  /** Whether the asker lives. */
  isCurrent(): boolean;
}

/** The thread of an observed actor. */
export interface ObservedThread {
  /** Undefined = the only process. */
  readonly host?: string;
  readonly clock: NodeClock;
  readonly asks: Set<PendingAsk>;
  /** Told of each actor whose incarnation is being made. */
  created?(actor: Address): void;
}

/** The definition, observed. */
export function observed<M extends Message, O>(
  definition: ActorDefinition<M, O>,
  observer: ActorObserver,
  thread: ObservedThread,
): ActorDefinition<M, O> {
  return {
    kind: definition.kind,
    mailbox: definition.mailbox,
    restart: definition.restart,
    priorityOf: (message) => definition.priorityOf(message),
    create(context, options) {
      const actor = context.self.address;
      thread.created?.(actor);
      observer.creates(actor, thread.host);
      const made = definition.create(observedContext(context, observer, thread), options);
      const watch = (behavior: Behavior<M>) => {
        observer.began(actor, thread.host, options);
        return observedBehavior(context, behavior, observer, thread);
      };
      return made instanceof Promise ? made.then(watch) : watch(made);
    },
  };
}

function observedBehavior<M extends Message>(
  context: ActorContext<M>,
  behavior: Behavior<M>,
  observer: ActorObserver,
  { host }: ObservedThread,
): Behavior<M> {
  const actor = context.self.address;
  return {
    receive(message) {
      if (context.remainingMs(message) === 0) observer.handledLate(actor, message);
      observer.handles(actor, message, host);
      return behavior.receive(message);
    },
    beginStop: () => behavior.beginStop?.(),
    stop: () => behavior.stop?.(),
  };
}

function observedContext<M extends Message>(
  context: ActorContext<M>,
  observer: ActorObserver,
  { host, clock, asks }: ObservedThread,
): ActorContext<M> {
  const actor = context.self.address;
  const watched = <N extends Message>(ref: ActorRef<N>): ActorRef<N> => ({
    address: ref.address,
    tell(message, transfer) {
      observer.sends(actor, ref.address, message, host);
      ref.tell(message, transfer);
    },
    ask(request, options) {
      observer.sends(actor, ref.address, request as Message, host);
      const { stalledMs } = clock;
      const dueAtMs = clock.monotonicMs() + options.budgetMs;
      const pending: PendingAsk = {
        from: actor,
        to: ref.address,
        request: request as Message,
        overdueMs: () => clock.monotonicMs() - dueAtMs,
        isCurrent: () => context.isCurrent,
      };
      asks.add(pending);
      const answer = ref.ask(request, options);
      const ended = () => {
        asks.delete(pending);
        const lateMs = clock.monotonicMs() - dueAtMs - (clock.stalledMs - stalledMs);
        if (lateMs > 0) observer.askLate(actor, ref.address, request as Message, lateMs);
      };
      answer.then(ended, ended);
      return answer;
    },
  });
  return {
    self: watched(context.self),
    get isCurrent() {
      return context.isCurrent;
    },
    clock: context.clock,
    random: context.random,
    telemetry: context.telemetry,
    tracing: context.tracing,
    actorRef: <N extends Message>(address: Address) => watched(context.actorRef<N>(address)),
    knows: (address) => context.knows(address),
    reply(request, value, transfer) {
      observer.answers(actor, request as Message, value, host);
      context.reply(request, value, transfer);
    },
    replyError(request: Request<unknown>, error) {
      observer.refuses(actor, request, error, host);
      context.replyError(request, error);
    },
    fence: (write) => context.fence(write),
    remainingMs: (request) => context.remainingMs(request),
    traceOf: (request) => context.traceOf(request),
    signalOf: (request) => context.signalOf(request),
    shield: (request) => context.shield(request),
    schedule(delayMs, message) {
      observer.schedules(actor, message, host);
      return context.schedule(delayMs, message);
    },
    pause: (delayMs) => context.pause(delayMs),
  };
}
