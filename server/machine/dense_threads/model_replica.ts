/**
 * The asking side of a thread that runs a replica of the dense model.
 */
import type {
  Answer,
  AnswerTo,
  Failure,
  Order,
  PlacedModelParts,
  Question,
  ThreadRole,
} from "./protocol.ts";

/**
 * An error that a model replica threw in its thread, with the name and message that it had there.
 */
export class ReplicaError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
    this.name = failure.name;
  }
}

interface Asker {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

export class ReplicaThread {
  readonly #worker: Worker;
  readonly #askers = new Map<number, Asker>();
  readonly #opened = Promise.withResolvers<void>();
  #asked = 0;
  #gone: Error | undefined;

  /** @param replica Number of the replica, from 0. */
  constructor(parts: PlacedModelParts, replica: number, role: ThreadRole) {
    const entry = new URL("./dense_worker.ts", import.meta.url);
    this.#worker = new Worker(entry, { type: "module", name: `dense-step-${replica}` });
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.end(new Error(`A thread of the dense step crashed: ${event.message}`));
    };
    const { model, modelSizes, session } = parts;
    const order: Order = { kind: "open", parts: { model, modelSizes, session }, role };
    this.#worker.postMessage(order, portsOf(role));
  }

  /** @throws {ReplicaError} As `createTrainingSession` does. */
  opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** @throws {ReplicaError} When the session throws. */
  ask<Q extends Question>(question: Q, transfer: Transferable[] = []): Promise<AnswerTo<Q>> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => {
      const id = ++this.#asked;
      this.#askers.set(id, { resolve: (answer) => resolve(answer as AnswerTo<Q>), reject });
      this.#worker.postMessage({ kind: "ask", id, question } satisfies Order, transfer);
    });
  }

  /** Ends the thread; pending questions reject with `error`. */
  end(error: Error): void {
    this.#gone ??= error;
    this.#worker.terminate();
    this.#opened.reject(error);
    for (const { reject } of this.#askers.values()) reject(error);
    this.#askers.clear();
  }

  #receive(answer: Answer): void {
    switch (answer.kind) {
      case "opened":
        return this.#opened.resolve();
      case "answer":
        return this.#takeAsker(answer.id)?.resolve(answer.answer);
      case "failure": {
        const error = new ReplicaError(answer.failure);
        if (answer.id === undefined) return this.#opened.reject(error);
        return this.#takeAsker(answer.id)?.reject(error);
      }
    }
  }

  #takeAsker(id: number): Asker | undefined {
    const asker = this.#askers.get(id);
    this.#askers.delete(id);
    return asker;
  }
}

function portsOf(role: ThreadRole): MessagePort[] {
  switch (role.kind) {
    case "alone":
      return [];
    case "leader":
      return [...role.ports];
    case "helper":
      return [role.port];
  }
}
