/**
 * A bounded queue of an actor's messages for each priority, so that a burst of writes never delays
 * a reader and neither delays control. Every {@link FAIRNESS_INTERVAL}-th message is taken from the
 * lowest priority first.
 */
import { invariant, present } from "../../structures/invariant.ts";
import { RingQueue } from "../../structures/ring_queue.ts";
import type { CellContext } from "./actor_context.ts";
import type { MailboxOptions, Message, Priority } from "./actor.ts";
import { Ask } from "./ask.ts";

/** A told message as it is, a timer's message, or an ask with its message inside. */
export type Mail = Message | Reminder | Ask;

/** A message of a timer, for the incarnation that set the timer and for no later one. */
export class Reminder {
  constructor(readonly message: Message, readonly context: CellContext) {}
}

/** The fate of offered mail: queued, waiting for room, or not taken. */
export type Offer = "accepted" | "waiting" | "refused";

const FAIRNESS_INTERVAL = 32;

export class Mailbox {
  readonly #control = new RingQueue<Mail>();
  readonly #read = new RingQueue<Mail>();
  readonly #write = new RingQueue<Mail>();
  /** Asks that found their queue full under back-pressure; at most as many as the capacity. */
  readonly #waiting = new RingQueue<Ask>();
  #takes = 0;

  constructor(readonly options: MailboxOptions) {
    invariant(options.capacity > 0, "a mailbox holds a message");
  }

  /** Messages that wait, over all priorities. */
  get length(): number {
    return this.#control.length + this.#read.length + this.#write.length + this.#waiting.length;
  }

  lengthOf(priority: Priority): number {
    return this.#queueOf(priority).length;
  }

  /** Queues mail; with back-pressure an ask that finds the queue full waits for room. */
  offer(mail: Mail, priority: Priority): Offer {
    const queue = this.#queueOf(priority);
    const { capacity, overflow } = this.options;
    if (queue.length < capacity) {
      if (mail instanceof Ask) mail.behind = queue.length;
      queue.push(mail);
      return "accepted";
    }
    if (overflow === "backpressure" && mail instanceof Ask && this.#waiting.length < capacity) {
      mail.behind = queue.length + this.#waiting.length;
      mail.priority = priority;
      this.#waiting.push(mail);
      return "waiting";
    }
    return "refused";
  }

  /**
   * Queues a message of the actor's own timers, which must not get lost; the timers bound their
   * number.
   */
  force(reminder: Reminder, priority: Priority): void {
    this.#queueOf(priority).push(reminder);
  }

  /** Takes the next message; undefined when none waits. */
  take(): Mail | undefined {
    const mail = ++this.#takes % FAIRNESS_INTERVAL === 0
      ? this.#write.shift() ?? this.#read.shift() ?? this.#control.shift()
      : this.#control.shift() ?? this.#read.shift() ?? this.#write.shift();
    if (this.#waiting.length > 0) this.#admitWaiting();
    return mail;
  }

  /**
   * Moves waiting asks to queues that have room. Each ask moves once, which keeps the order within
   * a priority.
   */
  #admitWaiting(): void {
    for (let n = this.#waiting.length; n > 0; n--) {
      const ask = present(this.#waiting.shift(), "as many asks wait as were counted");
      if (ask.settled) continue;
      const queue = this.#queueOf(ask.priority);
      if (queue.length < this.options.capacity) queue.push(ask);
      else this.#waiting.push(ask);
    }
  }

  #queueOf(priority: Priority): RingQueue<Mail> {
    return priority === "control" ? this.#control : priority === "read" ? this.#read : this.#write;
  }
}
