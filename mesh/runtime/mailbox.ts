/**
 * Where messages wait for their actor: one bounded queue for each priority, so that a burst of writes never delays
 * a reader and neither delays control. Lower priorities still get every `fairnessInterval`-th turn.
 */
import type { MailboxOptions, Message, Priority } from "./actor.ts";
import { Ask } from "./ask.ts";
import { RingQueue } from "../../structures/ring_queue.ts";

/** A told message as it is, or an ask with its message inside. */
export type Mail = Message | Ask;

export type Offer = "accepted" | "waiting" | "refused";

const fairnessInterval = 32;

export class Mailbox {
  readonly #control = new RingQueue<Mail>();
  readonly #read = new RingQueue<Mail>();
  readonly #write = new RingQueue<Mail>();
  /** Asks that found their queue full under back-pressure; as many as the mailbox holds. */
  readonly #waiting = new RingQueue<Ask>();
  #takes = 0;

  constructor(readonly options: MailboxOptions) {}

  get length(): number {
    return this.#control.length + this.#read.length + this.#write.length + this.#waiting.length;
  }

  lengthOf(priority: Priority): number {
    return this.#queueOf(priority).length;
  }

  /** Puts mail in its queue, or, with back-pressure, in line for a place in it. */
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

  /** For the actor's own timers, which must not get lost; their number is bounded by the timers. */
  force(message: Message, priority: Priority): void {
    this.#queueOf(priority).push(message);
  }

  take(): Mail | undefined {
    const mail = ++this.#takes % fairnessInterval === 0
      ? this.#write.shift() ?? this.#read.shift() ?? this.#control.shift()
      : this.#control.shift() ?? this.#read.shift() ?? this.#write.shift();
    if (this.#waiting.length > 0) this.#admitWaiting();
    return mail;
  }

  #admitWaiting(): void {
    for (let n = this.#waiting.length; n > 0; n--) {
      const ask = this.#waiting.shift()!;
      if (ask.settled) continue;
      const queue = this.#queueOf(ask.priority);
      if (queue.length < this.options.capacity) queue.push(ask);
      else this.#waiting.push(ask); // each place in line moves once, so order within a priority stays
    }
  }

  #queueOf(priority: Priority): RingQueue<Mail> {
    return priority === "control" ? this.#control : priority === "read" ? this.#read : this.#write;
  }
}
