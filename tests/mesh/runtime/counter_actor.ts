/**
 * A small actor for tests of the runtime: it counts, answers now or later, asks others, and crashes
 * when told to.
 */
import type {
  ActorContext,
  ActorDefinition,
  Address,
  Behavior,
  MailboxOptions,
  Request,
  RestartPolicy,
} from "../../../mesh/runtime/actor.ts";

export type CounterMessage =
  | { readonly kind: "add"; readonly amount: number }
  | { readonly kind: "crash" }
  | { readonly kind: "tick" }
  | GetCount
  | AnswerLater
  | Release
  | Relay
  | SumOf
  | CrashOnAsk
  | Block;

export interface GetCount extends Request<number> {
  readonly kind: "getCount";
}
/** Kept until `release` or `tick` answers it. */
export interface AnswerLater extends Request<number> {
  readonly kind: "answerLater";
  readonly afterMs?: number;
  readonly shields?: boolean;
}
export interface Release extends Request<number> {
  readonly kind: "release";
}
/**
 * Asks the next in `path`, with the signal of this request, and waits for its answer within the
 * handler. The last one answers, or keeps the request where `isKept`. `shieldedBy` is the
 * actor that shields it.
 */
export interface Relay extends Request<number> {
  readonly kind: "relay";
  readonly path: readonly Address[];
  readonly isKept?: boolean;
  readonly shieldedBy?: Address;
}
export interface SumOf extends Request<{ readonly sum: number; readonly values: Float32Array }> {
  readonly kind: "sumOf";
  readonly values: Float32Array<ArrayBuffer>;
}
export interface CrashOnAsk extends Request<number> {
  readonly kind: "crashOnAsk";
}
/** Holds the handler until the gate opens, and then shields the request. */
export interface Block extends Request<void> {
  readonly kind: "block";
}

export interface CounterOptions {
  readonly start: number;
  /** Called with the kind of each handled message. */
  readonly onHandled?: (kind: string) => void;
  /** Called with the outcome of shielding a request to block. */
  readonly onShielded?: (isShielded: boolean) => void;
  readonly onStop?: () => void;
  /** Called with an answer to the requests that are kept. */
  readonly onBeginStop?: (answer: () => void) => void;
  readonly gate?: Promise<void>;
  readonly failCreate?: () => boolean;
}

class Counter implements Behavior<CounterMessage> {
  #count: number;
  readonly #unanswered: (AnswerLater | Relay)[] = [];

  constructor(
    readonly context: ActorContext<CounterMessage>,
    readonly options: CounterOptions,
  ) {
    this.#count = options.start;
  }

  receive(message: CounterMessage): void | Promise<void> {
    this.options.onHandled?.(message.kind);
    switch (message.kind) {
      case "add":
        this.#count += message.amount;
        return;
      case "crash":
        throw new Error("told to crash");
      case "crashOnAsk":
        throw new Error("asked to crash");
      case "getCount":
        return this.context.reply(message, this.#count);
      case "answerLater":
        this.#unanswered.push(message);
        if (message.shields) this.context.shield(message);
        if (message.afterMs !== undefined) {
          this.context.schedule(message.afterMs, { kind: "tick" });
        }
        return;
      case "release":
      case "tick":
        this.#answerKept();
        if (message.kind === "release") this.context.reply(message, this.#count);
        return;
      case "relay":
        return this.#relay(message);
      case "sumOf": {
        const sum = message.values.reduce((total, value) => total + value, 0);
        return this.context.reply(message, { sum, values: message.values }, [
          message.values.buffer,
        ]);
      }
      case "block":
        return this.options.gate!.then(() => {
          this.options.onShielded?.(this.context.shield(message));
          this.context.reply(message, undefined);
        });
      default:
        message satisfies never;
    }
  }

  async #relay(message: Relay): Promise<void> {
    this.context.telemetry.log("debug", `${this.context.self.address} relays`);
    const [next, ...path] = message.path;
    const { isKept = false, shieldedBy } = message;
    if (shieldedBy === this.context.self.address) this.context.shield(message);
    if (!next && isKept) return void this.#unanswered.push(message);
    if (!next) return this.context.reply(message, this.#count);
    const ref = this.context.actorRef<CounterMessage>(next);
    try {
      const signal = this.context.signalOf(message);
      const answer = await ref.ask({ ...message, path }, {
        budgetMs: this.context.remainingMs(message),
        signals: signal && [signal],
      });
      this.context.reply(message, answer);
    } catch (error) {
      this.context.replyError(message, error as Error);
    }
  }

  #answerKept(): void {
    for (const kept of this.#unanswered.splice(0)) {
      const trace = this.context.traceOf(kept);
      this.context.telemetry.log("debug", "answers later", { trace });
      this.context.reply(kept, this.#count);
    }
  }

  beginStop(): void {
    this.options.onBeginStop?.(() => this.#answerKept());
  }

  stop(): void {
    this.options.onStop?.();
  }
}

export function counterDefinition(
  overrides: {
    mailbox?: Partial<MailboxOptions>;
    restart?: Partial<RestartPolicy>;
    kind?: string;
  } = {},
): ActorDefinition<CounterMessage, CounterOptions> {
  return {
    kind: overrides.kind ?? "counter",
    mailbox: { capacity: 1_000, overflow: "reject", ...overrides.mailbox },
    restart: {
      restartsMax: 3,
      periodMs: 10_000,
      backoffMs: 100,
      backoffMsMax: 1_000,
      ...overrides.restart,
    },
    priorityOf: (message) =>
      message.kind === "release" || message.kind === "tick"
        ? "control"
        : message.kind === "getCount"
        ? "read"
        : "write",
    create: (context, options) => {
      if (options.failCreate?.()) throw new Error("cannot create");
      return new Counter(context, options);
    },
  };
}
