/**
 * Errors of messages. Each names the receiver, the cause, and where the time or the message went: a
 * bare "timeout" is the most frequent complaint of users of actor systems.
 *
 * Errors cross threads. The classes below are rebuilt there; of any other error the name and the
 * message survive, so callers compare `error.name` for errors of their own.
 */
import type { Address } from "./actor.ts";

/** How far an ask had come when its budget ran out. */
export interface AskProgress {
  readonly budgetMs: number;
  /** The receiver's node, as far as the asker knows. */
  readonly node: string;
  /** Time in the mailbox, ms; undefined when the receiver's node has not reported. */
  readonly queuedMs?: number;
  /** Messages that were ahead of it in the mailbox when it arrived. */
  readonly behind?: number;
  readonly capacity?: number;
  /** Time since the handler began, ms; undefined when it was never handled. */
  readonly handlerMs?: number;
  /** The actor whose answer the handler was waiting for. */
  readonly waitingFor?: string;
  /** Addresses of the askers, outermost first, and of the receiver. */
  readonly chain: readonly string[];
}

/** The budget ran out before the answer came. */
export class AskTimeoutError extends Error {
  override readonly name = "AskTimeoutError";
  constructor(readonly address: Address, readonly progress: AskProgress) {
    super(describeTimeout(address, progress));
  }
}

function describeTimeout(address: Address, progress: AskProgress): string {
  const spent: string[] = [];
  if (progress.queuedMs === undefined) {
    spent.push(`no report from ${progress.node}: its thread is busy, or the message was lost`);
  } else {
    const { behind = 0 } = progress;
    const capacity = progress.capacity === undefined ? "" : ` (capacity ${progress.capacity})`;
    spent.push(
      `queued ${milliseconds(progress.queuedMs)} behind ${behind} message${
        behind === 1 ? "" : "s"
      }${capacity}`,
    );
    if (progress.handlerMs === undefined) spent.push("never handled");
    else {
      const waiting = progress.waitingFor === undefined
        ? ""
        : ` waiting for ${progress.waitingFor}`;
      spent.push(`handler ${milliseconds(progress.handlerMs)}${waiting}`);
    }
  }
  return `ask timeout ${milliseconds(progress.budgetMs)}: ${address} on ${progress.node}: ${
    spent.join(", ")
  }; chain ${progress.chain.join("→")}.`;
}

function milliseconds(value: number): string {
  return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} ms`;
}

/**
 * The mailbox was full and its policy rejects. The message was not handled: the caller may try
 * again later.
 */
export class OverloadedError extends Error {
  override readonly name = "OverloadedError";
  /** @param queue The full queue, where it is not the mailbox. */
  constructor(
    readonly address: Address,
    readonly waiting: number,
    readonly capacity: number,
    readonly queue?: string,
  ) {
    super(
      queue === undefined
        ? `${address} is overloaded: ${waiting} messages wait (capacity ${capacity}). Ask less often, or raise its mailbox capacity.`
        : `${address} cannot be asked now: ${queue} is full. Ask less often.`,
    );
  }
}

/**
 * The handler threw, or the actor is stopped, absent or unreachable. Whether the request had an
 * effect is unknown.
 */
export class ActorFailedError extends Error {
  override readonly name = "ActorFailedError";
  constructor(readonly address: Address, readonly reason: string, options?: { cause?: unknown }) {
    super(`${address} failed: ${reason}`, options);
  }
}

/** The asker has no use for the answer any more. */
export class AskCancelledError extends Error {
  override readonly name = "AskCancelledError";
  constructor(readonly address: Address) {
    super(`The ask to ${address} was cancelled: its answer is of no use any more.`);
  }
}

/**
 * The request would wait for itself: the receiver is busy with a request that waits for this one.
 */
export class CallCycleError extends Error {
  override readonly name = "CallCycleError";
  constructor(readonly address: Address, readonly chain: readonly string[]) {
    super(
      `Call cycle ${
        chain.join("→")
      }: ${address} is still handling the first request and takes one message at a time. Answer in a later turn (keep the request), or tell instead of ask.`,
    );
  }
}

/** Name and message of an error, or the text of any other thrown value. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** An error as plain data. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Encodes any thrown value as plain data that survives a link. */
export function encodeError(error: unknown): WireError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), data: {} };
  const data: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(error)) {
    if (key === "name" || typeof value === "function") continue;
    data[key] = value instanceof Error ? encodeError(value).message : value;
  }
  return { name: error.name, message: error.message, data };
}

const decoders: Record<string, (data: WireError["data"]) => Error> = {
  AskTimeoutError: (data) =>
    new AskTimeoutError(data.address as Address, data.progress as AskProgress),
  OverloadedError: (data) =>
    new OverloadedError(
      data.address as Address,
      data.waiting as number,
      data.capacity as number,
      data.queue as string | undefined,
    ),
  ActorFailedError: (data) => new ActorFailedError(data.address as Address, data.reason as string),
  CallCycleError: (data) => new CallCycleError(data.address as Address, data.chain as string[]),
};

/**
 * The error that was encoded: an instance of a class above, or an Error with the same name, message
 * and data.
 */
export function decodeError(wire: WireError): Error {
  const decode = Object.hasOwn(decoders, wire.name) ? decoders[wire.name] : undefined;
  if (decode) return decode(wire.data);
  const error = new Error(wire.message);
  for (const [key, value] of Object.entries(wire.data)) {
    Object.defineProperty(error, key, { value, enumerable: true });
  }
  Object.defineProperty(error, "name", { value: wire.name });
  return error;
}
