/**
 * The types that actors are written against. An actor is state that only its own handler touches,
 * one message at a time.
 *
 * A protocol (`actors/X/protocol.ts`) is a closed union of plain, structured-cloneable messages
 * told apart by `kind`. A message that wants an answer extends {@link Request}. A behaviour's
 * `receive` switches over the union exhaustively; it may answer at once, or keep the request and
 * answer it in a later turn.
 */
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { TraceContext, Tracing } from "../ports/tracing.ts";
import type { CancelSignal } from "./cancel_signal.ts";

/** Any message: plain data with a discriminating `kind`. */
export interface Message {
  readonly kind: string;
}

/** Carries the type of a request's answer, for the compiler only. */
export declare const replyType: unique symbol;

/** A message that its receiver answers with an `R`. */
export interface Request<R> extends Message {
  readonly [replyType]?: R;
}

/** The answer type of a request. */
export type ReplyOf<Q> = Q extends Request<infer R> ? R : never;

/** The messages of a protocol that are requests: the only ones that can be asked. */
export type RequestIn<M> = M extends unknown ? typeof replyType extends keyof M ? M : never : never;

/** The mailbox queue in which a message waits, in the order in which queues are served. */
export type Priority = "control" | "read" | "write";

/** An actor's name in the mesh: `kind/key`, e.g. `embedding_shard/7`. */
export type Address = `${string}/${string}`;

/** The time limit of an ask, and the buffers that are moved with the request. */
export interface AskOptions {
  /**
   * Time left for the answer, ms. Queueing and the receiver's own asks spend from the same budget.
   */
  readonly budgetMs: number;
  /**
   * Buffers inside the request that are moved instead of copied; the sender cannot use them
   * afterwards.
   */
  readonly transfer?: readonly Transferable[];
  /** Trace that the request belongs to. Default: that of the request being handled. */
  readonly trace?: TraceContext | undefined;
  /** Cancel the ask once all of them are aborted. Default: nothing does. */
  readonly signals?: readonly CancelSignal[] | undefined;
  /**
   * The request or its answer is large, and need not keep its order with other messages: between
   * hosts it takes a connection of its own, so that it delays none of them. Default false.
   */
  readonly bulk?: boolean;
}

/** A handle to an actor on any node. */
export interface ActorRef<M extends Message> {
  readonly address: Address;
  /**
   * Delivers at most once, in the order of sends per sender and receiver within one incarnation.
   */
  tell(message: M, transfer?: readonly Transferable[]): void;
  /**
   * Sends a request and waits for its answer.
   *
   * @throws {AskTimeoutError} The budget ran out; says where the time went.
   * @throws {OverloadedError} The mailbox was full and its policy rejects.
   * @throws {ActorFailedError} The handler failed, or the actor stopped before it answered.
   * @throws {AskCancelledError} All `signals` were aborted before the answer came.
   */
  ask<K extends RequestIn<M>["kind"]>(
    request: RequestIn<M> & { readonly kind: K },
    options: AskOptions,
  ): Promise<ReplyOf<Extract<M, { readonly kind: K }>>>;
}

/** Everything that a handler may touch besides its own state. */
export interface ActorContext<M extends Message> {
  /**
   * Whether this is the context of the present incarnation. Once the actor has crashed or stopped,
   * a tell of the old incarnation is dropped, an ask fails and a reply is ignored.
   */
  readonly isCurrent: boolean;
  /**
   * Runs a write to a store that outlives this incarnation. The next incarnation is made when all
   * such writes have settled; fenced_stores.ts wraps whole stores.
   *
   * @throws {ActorFailedError} This incarnation has ended; the write was not begun.
   */
  fence<T>(write: () => Promise<T>): Promise<T>;
  readonly self: ActorRef<M>;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** For work that no request waits for; the runtime makes the spans of requests. */
  readonly tracing: Tracing;
  /** Another actor by its address; resolving never blocks and never fails, asking may. */
  actorRef<N extends Message>(address: Address): ActorRef<N>;
  /**
   * Whether this node knows where an actor is: here, or on another node, which may be away. An ask
   * to an actor that it does not know fails at once.
   */
  knows(address: Address): boolean;
  /** Answers a request, now or in a later turn; a second answer is ignored. */
  reply<Q extends Request<unknown>>(
    request: Q,
    value: ReplyOf<Q>,
    transfer?: readonly Transferable[],
  ): void;
  /** Answers a request with a typed error, which the asker's promise rejects with. */
  replyError(request: Request<unknown>, error: Error): void;
  /** Time left of the asker's budget, ms, at least 0. Infinity for a told message. */
  remainingMs(request: Message): number;
  /** A request's trace, to be passed on with asks that are made in a later turn. */
  traceOf(request: Message): TraceContext | undefined;
  /**
   * Is aborted when the request's asker gives it up before the deadline: for asks whose answers are
   * of use to this request alone. Take it in the request's own turn: it is undefined once the
   * request is settled, and for a told message.
   */
  signalOf(request: Message): CancelSignal | undefined;
  /**
   * The request has an effect from now on that counts: no signal of its asker cancels it, and the
   * asks that were made to answer it go on, whatever becomes of the asker. An asker on another node
   * that gives it up misses the answer all the same.
   *
   * @returns False if the asker has given it up already: then it must have no effect.
   */
  shield(request: Message): boolean;
  /** Tells `message` to this actor after `delayMs`; cancelled when the actor stops. */
  schedule(delayMs: number, message: M): { cancel(): void };
  /**
   * Resolves after `delayMs`. Meanwhile a handler handles no other message: prefer
   * {@link schedule} where the actor has other work.
   *
   * @throws {ActorFailedError} This incarnation has ended.
   */
  pause(delayMs: number): Promise<void>;
}

/** An actor's behaviour: made by its definition, driven by the runtime. */
export interface Behavior<M extends Message> {
  /**
   * Handles one message. The next message is not taken until the returned promise settles. A throw
   * is a crash: the supervisor restarts the actor by its policy, and pending requests fail with
   * {@link ActorFailedError}.
   */
  receive(message: M): void | Promise<void>;
  /**
   * The actor stops once its waiting messages are handled: no reminder comes any more. Answers the
   * requests that wait for one; the stop waits for others until their askers give up. It may run
   * while the promise of a `receive` is pending. A throw is logged, and the actor handles its
   * waiting messages all the same.
   */
  beginStop?(): void;
  /** Releases the actor's resources: it stops or restarts. */
  stop?(): void | Promise<void>;
}

/** The bound of a mailbox, and its overflow policy. */
export interface MailboxOptions {
  /** Messages that may wait, per priority. */
  readonly capacity: number;
  /**
   * When full, `reject` answers asks with {@link OverloadedError} and drops tells, counted;
   * `backpressure` makes asks wait for room, as many as the capacity.
   */
  readonly overflow: "reject" | "backpressure";
}

/** How often a crashing actor is restarted before that is reported. */
export interface RestartPolicy {
  /** Restarts within `periodMs`; a further crash is reported, and stops the actor. */
  readonly restartsMax: number;
  readonly periodMs: number;
  /**
   * Whether the actor is restarted all the same, every `backoffMsMax`: others do their work without
   * it. Default false.
   */
  readonly goesOn?: boolean;
  /** Delay before the n-th restart: `backoffMs · 2^(n-1)`, at most `backoffMsMax`. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
}

/**
 * Makes actors of one kind. Their options are plain data, so that a definition works in any thread.
 */
export interface ActorDefinition<M extends Message, O> {
  /** First part of the address; the folder's name under actors/. */
  readonly kind: string;
  readonly mailbox: MailboxOptions;
  readonly restart: RestartPolicy;
  /** The mailbox queue in which the message waits. */
  priorityOf(message: M): Priority;
  /** Makes the behaviour, at the start and at each restart. */
  create(context: ActorContext<M>, options: O): Behavior<M> | Promise<Behavior<M>>;
}
