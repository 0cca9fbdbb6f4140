/**
 * Commands of one connection that travel together: those that come while others are on the way wait
 * for the answers to these. The server and this process then take one turn for all of them, and a
 * server that syncs each turn syncs once.
 */
import { setImmediate } from "node:timers";

interface Waiting<C> {
  readonly command: C;
  resolve(reply: unknown): void;
  reject(error: unknown): void;
}

export class CommandFlights<C> {
  readonly #sendNow: (command: C) => Promise<unknown>;
  /** Commands of the next flight. */
  #waiting: Waiting<C>[] = [];
  /** Whether the commands on the way are still to be written, so that others may join them. */
  #isBoarding = false;

  constructor(sendNow: (command: C) => Promise<unknown>) {
    this.#sendNow = sendNow;
  }

  /**
   * Sends a command with the present flight, or with the next one.
   *
   * @param isUnderWay Whether commands have no answer yet.
   */
  send(command: C, isUnderWay: boolean): Promise<unknown> {
    if (isUnderWay && !this.#isBoarding) {
      return new Promise((resolve, reject) => this.#waiting.push({ command, resolve, reject }));
    }
    this.#board();
    return this.#sendNow(command);
  }

  /** Sends the commands that wait: the last one on the way was answered, or the way is lost. */
  depart(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#board();
    for (const { command, resolve, reject } of waiting) {
      this.#sendNow(command).then(resolve, reject);
    }
  }

  /** Lets the commands of this turn into the flight: the client writes at the turn's end. */
  #board(): void {
    if (this.#isBoarding) return;
    this.#isBoarding = true;
    setImmediate(() => this.#isBoarding = false);
  }
}
