/**
 * A thread that runs parts of the leader's steps with copies of its weights.
 */
import type { PartsSession } from "../../../kernels/dense/sessions/parts_training_session.ts";
import { type TrainingBatch, viewOfRows } from "../../../kernels/dense/training_batch.ts";
import { PartQueue, type WaitingPart } from "./part_queue.ts";
import type { HelperMessage, LeaderMessage, Part } from "./protocol.ts";

type Floats = Float32Array<ArrayBuffer>;

/** Arrays kept for gradients. The leader returns as many as it got; more come with weights. */
const SPARE_MAX = 8;

export class Helper {
  readonly #session: PartsSession;
  readonly #port: MessagePort;
  readonly #queue = new PartQueue();
  #spare: Floats[] = [];
  /** The step that the session has the weights of. */
  #begun = { number: 0, step: 0 };
  #runs = false;

  constructor(session: PartsSession, port: MessagePort) {
    this.#session = session;
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<LeaderMessage>) => this.#take(data);
  }

  /** Resolves with the part's arrays when it has run, or its step has failed before. */
  part(part: Part): Promise<TrainingBatch> {
    const returned = this.#queue.add(part);
    this.#work();
    return returned;
  }

  #take(message: LeaderMessage): void {
    if (message.kind === "dropped") return this.#queue.end(message.number);
    const { number, step, weights, spare } = message;
    // The leader begins a step when all parts of the one before have run.
    this.#spare = [...this.#spare, this.#session.weightMatrix, ...spare].slice(-SPARE_MAX);
    this.#session.useWeights(weights);
    this.#begun = { number, step };
    this.#work();
  }

  /** Runs the parts of the begun step that are here, one after the other. */
  async #work(): Promise<void> {
    if (this.#runs) return;
    this.#runs = true;
    for (;;) {
      const waiting = this.#queue.take(this.#begun.number);
      if (waiting === undefined) break;
      await this.#run(waiting);
    }
    this.#runs = false;
  }

  async #run({ part, resolve, reject }: WaitingPart): Promise<void> {
    const { index, batch, rows, share } = part;
    try {
      const own = this.#spare.pop() ?? new Float32Array(this.#session.weightMatrix.length);
      const view = { ...viewOfRows(batch, 0, rows), share };
      const { loss, gradient } = await this.#session.runPart(view, this.#begun.step, own);
      const message: HelperMessage = { index, loss, gradient };
      this.#port.postMessage(message, [gradient.buffer]);
      resolve(batch);
    } catch (error) {
      reject(error);
    }
  }
}
