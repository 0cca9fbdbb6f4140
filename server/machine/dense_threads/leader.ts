/**
 * The thread that has the state of the model. It sends the weights of each shared step to the
 * helpers, runs the parts that it is given itself, and ends the step when the gradients of all
 * parts are known.
 */
import type { PartsSession } from "../../../kernels/dense/sessions/parts_training_session.ts";
import { type TrainingBatch, viewOfRows } from "../../../kernels/dense/training_batch.ts";
import { present } from "../../../structures/invariant.ts";
import { PartQueue, type WaitingPart } from "./part_queue.ts";
import type {
  HelperMessage,
  LeaderMessage,
  Part,
  SharedStep,
  StepNumber,
  Stepped,
  WholeStep,
} from "./protocol.ts";
import { StepTurns } from "./step_turns.ts";

type Floats = Float32Array<ArrayBuffer>;

/** The shared step whose parts run. */
interface RunningStep {
  readonly gradients: readonly Floats[];
  readonly losses: number[];
  /** Parts that have not run. */
  missing: number;
}

/** A helper as the leader sees it. */
interface HelperPort {
  readonly port: MessagePort;
  /** Arrays that came with gradients; they carry weights, or go back. */
  readonly spare: Floats[];
}

export class Leader {
  readonly #session: PartsSession;
  readonly #helpers: readonly HelperPort[];
  readonly #turns = new StepTurns();
  readonly #queue = new PartQueue();
  #running: RunningStep | undefined;
  /** Resolves when a part arrives or has run in a helper. */
  #news = Promise.withResolvers<void>();

  constructor(session: PartsSession, ports: readonly MessagePort[]) {
    this.#session = session;
    this.#helpers = ports.map((port) => ({ port, spare: [] }));
    for (const helper of this.#helpers) {
      helper.port.onmessage = ({ data }: MessageEvent<HelperMessage>) => this.#take(helper, data);
    }
  }

  /** Runs a batch in this thread alone. */
  step({ batch, rows, ...number }: WholeStep): Promise<Stepped> {
    return this.#inTurn(number, async () => {
      const { loss } = await this.#session.step(viewOfRows(batch, 0, rows));
      return { loss, batch };
    });
  }

  /**
   * Resolves with the loss of the batch.
   *
   * @throws {DivergenceError} When the step is refused, or waited for one that was.
   */
  sharedStep(step: SharedStep): Promise<number> {
    return this.#inTurn(step, () => this.#share(step));
  }

  /** Resolves with the part's arrays when it has run, or its step has failed before. */
  part(part: Part): Promise<TrainingBatch> {
    const returned = this.#queue.add(part);
    this.#news.resolve();
    return returned;
  }

  async #inTurn<T>(number: StepNumber, run: () => Promise<T>): Promise<T> {
    try {
      return await this.#turns.run(number, async () => {
        await this.#session.setLearningRateScale(number.learningRateScale);
        return await run();
      });
    } catch (error) {
      for (const { port } of this.#helpers) {
        port.postMessage({ kind: "dropped", number: number.number } satisfies LeaderMessage);
      }
      throw error;
    } finally {
      this.#queue.end(number.number);
    }
  }

  async #share({ number, parts, rows, meanCount }: SharedStep): Promise<number> {
    const session = this.#session;
    for (const helper of this.#helpers) this.#begin(helper, number);
    const running: RunningStep = {
      gradients: session.gradientsOfParts(parts),
      losses: new Array<number>(parts),
      missing: parts,
    };
    this.#running = running;
    while (running.missing > 0) {
      this.#news = Promise.withResolvers();
      const waiting = this.#queue.take(number);
      if (waiting === undefined) await this.#news.promise;
      else await this.#run(waiting, running);
    }
    this.#running = undefined;
    return await session.endStep({ losses: running.losses, rows, meanCount });
  }

  /** Sends the weights, and all other arrays that the helper needs no longer here. */
  #begin({ port, spare }: HelperPort, number: number): void {
    const { weightMatrix, nextStep } = this.#session;
    const weights = spare.pop() ?? new Float32Array(weightMatrix.length);
    weights.set(weightMatrix);
    const message = { kind: "begun", number, step: nextStep, weights, spare } as const;
    const arrays = [weights, ...spare];
    port.postMessage(message satisfies LeaderMessage, arrays.map(({ buffer }) => buffer));
    spare.length = 0;
  }

  async #run({ part, resolve, reject }: WaitingPart, running: RunningStep): Promise<void> {
    const { index, batch, rows, share } = part;
    const session = this.#session;
    try {
      const view = { ...viewOfRows(batch, 0, rows), share };
      const { loss } = await session.runPart(view, session.nextStep, running.gradients[index]);
      running.losses[index] = loss;
      running.missing--;
      resolve(batch);
    } catch (error) {
      reject(error);
      throw error;
    }
  }

  #take({ spare }: HelperPort, { index, loss, gradient }: HelperMessage): void {
    const running = present(this.#running, "helpers run parts of the step that the leader runs");
    running.gradients[index].set(gradient);
    running.losses[index] = loss;
    running.missing--;
    spare.push(gradient);
    this.#news.resolve();
  }
}
