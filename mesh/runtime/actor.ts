/**
 * What an actor is: state behind a door, changed by one message at a time.
 *
 * A door (`actors/X/protocol.ts`) is a closed union of plain, structured-cloneable messages told apart by
 * `kind`. A message that wants an answer extends {@link Request}. A behaviour's `receive` switches over the
 * union exhaustively; it may answer at once, or keep the request and answer it in a later turn.
 */
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";

/** Any message: plain data with a discriminating `kind`. */
export interface Message {
  readonly kind: string;
}

/** Marks the type of a request's answer; it exists for the compiler only. */
export declare const replyType: unique symbol;

/** A message that its receiver answers with an `R`. The type lives at compile time only. */
export interface Request<R> extends Message {
  readonly [replyType]?: R;
}

/** The answer type of a request. */
export type ReplyOf<Q> = Q extends Request<infer R> ? R : never;

/** Those messages of a door that are requests: only they can be asked. */
export type RequestIn<M> = M extends unknown ? typeof replyType extends keyof M ? M : never : never;

/** Which mailbox queue a message waits in; lower ones are served first. */
export type Priority = "control" | "read" | "write";

/** An actor's name in the mesh: `kind/key`, e.g. `embedding_shard/7`. */
export type Address = `${string}/${string}`;

/** How long an answer may take, and what moves along with the request. */
export interface AskOptions {
  /** Time left for the answer, ms. What is queued and called downstream spends from the same budget. */
  readonly budgetMs: number;
  /** Buffers inside the request that move to the receiver instead of being copied; unusable here afterwards. */
  readonly transfer?: readonly Transferable[];
  /** The trace that this belongs to, printed by log lines on the way. Default: that of the request being handled. */
  readonly traceId?: string | undefined;
}

/** A handle to an actor, wherever it lives. */
export interface ActorRef<M extends Message> {
  readonly address: Address;
  /** At most once; first-in-first-out per sender and receiver within one incarnation. */
  tell(message: M, transfer?: readonly Transferable[]): void;
  /**
   * Sends a request and waits for its answer.
   *
   * @throws {AskTimeoutError} The budget ran out; says where the time went.
   * @throws {OverloadedError} The mailbox was full and its policy rejects.
   * @throws {ActorFailedError} The handler failed, or the actor stopped before it answered.
   */
  ask<K extends RequestIn<M>["kind"]>(
    request: RequestIn<M> & { readonly kind: K },
    options: AskOptions,
  ): Promise<ReplyOf<Extract<M, { readonly kind: K }>>>;
}

/** All that a handler may touch besides its own state. */
export interface ActorContext<M extends Message> {
  readonly self: ActorRef<M>;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Another actor by its address; resolving never blocks and never fails, asking may. */
  actorRef<N extends Message>(address: Address): ActorRef<N>;
  /** Answers a request, now or in a later turn; a second answer is ignored. */
  reply<Q extends Request<unknown>>(
    request: Q,
    value: ReplyOf<Q>,
    transfer?: readonly Transferable[],
  ): void;
  /** Answers a request with a typed error, which the asker's promise rejects with. */
  replyError(request: Request<unknown>, error: Error): void;
  /** What is left of the asker's budget, ms (Infinity for a told message, at least 0). */
  remainingMs(request: Message): number;
  /** The trace that a request belongs to: for asks made in a later turn, which would not carry it on by themselves. */
  traceIdOf(request: Message): string | undefined;
  /** Tells `message` to this actor after `delayMs`; cancelled when the actor stops. */
  schedule(delayMs: number, message: M): { cancel(): void };
}

/** An actor's behaviour: made by its definition, driven by the runtime. */
export interface Behavior<M extends Message> {
  /**
   * Handles one message. The next is not taken until the returned promise settles. A throw is a crash: the
   * supervisor restarts the actor by its policy, and pending requests fail with {@link ActorFailedError}.
   */
  receive(message: M): void | Promise<void>;
  /** The actor ends (stop or restart): releases what it holds. */
  stop?(): void | Promise<void>;
}

/** How many messages may wait, and what happens to one more. */
export interface MailboxOptions {
  /** Messages that may wait, per priority. */
  readonly capacity: number;
  /** When full: `reject` answers "overloaded" to asks and counts drops of tells; `backpressure` makes the sender's ask wait. */
  readonly overflow: "reject" | "backpressure";
}

/** How often an actor that crashed begins again before its supervisor is told. */
export interface RestartPolicy {
  /** At most `restartsMax` restarts in `periodMs`; one more stops the actor and escalates. */
  readonly restartsMax: number;
  readonly periodMs: number;
  /** Delay before the n-th restart: `backoffMs · 2^(n-1)`, at most `backoffMsMax`. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
}

/** How to make one kind of actor. `options` are plain data, so that a definition works in any thread. */
export interface ActorDefinition<M extends Message, O> {
  /** The folder's name under actors/, first part of the address. */
  readonly kind: string;
  readonly mailbox: MailboxOptions;
  readonly restart: RestartPolicy;
  /** Which queue of the mailbox the message waits in. */
  priorityOf(message: M): Priority;
  /** Makes the behaviour; called again at each restart. */
  create(context: ActorContext<M>, options: O): Behavior<M> | Promise<Behavior<M>>;
}
