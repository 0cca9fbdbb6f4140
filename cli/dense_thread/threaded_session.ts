/**
 * A training session in a thread of its own. ONNX Runtime's binding stops the thread that calls it for the length of a
 * step; a trainer whose steps run elsewhere meanwhile pools the next batch and sends the last one's gradients.
 *
 * Batches travel by transfer: nothing is copied, and the arrays come back with the step.
 */
import { createModel } from "../../kernels/dense/models/create_model.ts";
import type { Model } from "../../kernels/dense/models/model.ts";
import {
  allocateBatch,
  buffersOf,
  type TrainingBatch,
} from "../../kernels/dense/training_batch.ts";
import type { TrainingCheckpoint, TrainingSession } from "../../kernels/dense/training_session.ts";
import { ordinaryMemory } from "../../kernels/dense/sessions/host_memory.ts";
import type { DenseWeights } from "../../kernels/dense/weights.ts";
import type {
  Answer,
  ArgumentsOf,
  DenseModelParts,
  Failure,
  Order,
  RemoteMethod,
  ResultOf,
} from "./protocol.ts";

interface Caller {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class ThreadedSession implements TrainingSession {
  readonly model: Model;
  readonly provider: string;
  readonly passedOver: readonly string[];
  readonly #worker: Worker;
  readonly #callers = new Map<number, Caller>();
  #calls = 0;
  #newestStep = 0;
  #gone: Error | undefined;

  private constructor(worker: Worker, model: Model, opened: Answer & { kind: "opened" }) {
    this.#worker = worker;
    this.model = model;
    this.provider = opened.provider;
    this.passedOver = opened.passedOver;
    worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#settle(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(`The thread of the dense step crashed: ${event.message}`));
    };
  }

  /** @throws {Error} As `createTrainingSession` does, by name and message. */
  static async open(parts: DenseModelParts): Promise<ThreadedSession> {
    const { model, modelSizes, session } = parts;
    const entry = new URL("./worker.ts", import.meta.url);
    const worker = new Worker(entry, { type: "module", name: "dense-step" });
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(`The thread of the dense step cannot start: ${event.message}`));
        };
        worker.postMessage(
          { kind: "open", parts: { model, modelSizes, session } } satisfies Order,
        );
      });
      if (answer.kind === "opened") {
        return new ThreadedSession(worker, createModel(model, modelSizes), answer);
      }
      throw answer.kind === "notOpened"
        ? errorOf(answer.failure)
        : new Error(`unexpected ${answer.kind}`);
    } catch (error) {
      worker.terminate();
      throw error;
    }
  }

  step(batch: TrainingBatch) {
    return this.#call("step", [batch], buffersOf(batch));
  }

  allocateBatch(rows: number): TrainingBatch {
    return allocateBatch(this.model, rows, ordinaryMemory.allocate);
  }

  weights(): Promise<DenseWeights> {
    return this.#call("weights", []);
  }

  load(weights: DenseWeights): Promise<void> {
    return this.#call("load", [weights]);
  }

  checkpoint(): Promise<TrainingCheckpoint> {
    return this.#call("checkpoint", []);
  }

  restore(checkpoint: TrainingCheckpoint): Promise<void> {
    return this.#call("restore", [checkpoint]);
  }

  async close(): Promise<void> {
    if (this.#gone === undefined) await this.#call("close", []);
    this.#fail(new Error("The session of the dense step is closed."));
    this.#worker.terminate();
  }

  #call<Method extends RemoteMethod>(
    method: Method,
    values: ArgumentsOf<Method>,
    transfer: Transferable[] = [],
  ): Promise<ResultOf<Method>> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => {
      const id = ++this.#calls;
      this.#callers.set(id, { resolve: (result) => resolve(result as ResultOf<Method>), reject });
      const order: Order = { kind: "call", id, method, arguments: values, ...this.#behind(method) };
      if (method === "step") this.#newestStep = id;
      this.#worker.postMessage(order, transfer);
    });
  }

  #behind(method: RemoteMethod): { readonly behind?: number } {
    return method === "step" && this.#callers.has(this.#newestStep)
      ? { behind: this.#newestStep }
      : {};
  }

  #settle(answer: Answer): void {
    if (answer.kind !== "result" && answer.kind !== "failure") return;
    const caller = this.#callers.get(answer.id);
    this.#callers.delete(answer.id);
    if (answer.kind === "result") caller?.resolve(answer.result);
    else caller?.reject(errorOf(answer.failure));
  }

  #fail(error: Error): void {
    this.#gone ??= error;
    for (const { reject } of this.#callers.values()) reject(error);
    this.#callers.clear();
  }
}

function errorOf({ name, message }: Failure): Error {
  return Object.assign(new Error(message), { name });
}
