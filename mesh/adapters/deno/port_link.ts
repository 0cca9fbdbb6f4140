/**
 * A link over a message port, between threads of one process. The runtime hands over a whole turn's
 * batch, so one post carries many messages.
 */
import type { Link } from "../../ports/transport.ts";

/**
 * Posted when this side closes in good order. A thread that ends otherwise is reported by the
 * thread that started it.
 */
const GOODBYE = "goodbye";

export class PortLink implements Link {
  readonly #port: MessagePort;
  #receive: ((value: unknown) => void) | undefined;
  #closed: ((cause: Error) => void) | undefined;
  #open = true;

  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = (event) => {
      if (event.data === GOODBYE) this.fail(new Error("the other side has stopped"));
      else if (this.#open) this.#receive?.(event.data);
    };
    port.onmessageerror = () => this.fail(new Error("a message could not be read"));
  }

  send(value: unknown, transfer?: readonly Transferable[]): void {
    if (!this.#open) return;
    if (transfer && transfer.length > 0) this.#port.postMessage(value, [...transfer]);
    else this.#port.postMessage(value);
  }

  onReceive(listener: (value: unknown) => void): void {
    this.#receive = listener;
  }

  onClosed(listener: (cause: Error) => void): void {
    this.#closed = listener;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#port.postMessage(GOODBYE);
    this.#port.close();
  }

  /** Closes the link because the other side is gone, e.g. because its thread crashed. */
  fail(cause: Error): void {
    if (!this.#open) return;
    this.#open = false;
    this.#port.close();
    this.#closed?.(cause);
  }
}
