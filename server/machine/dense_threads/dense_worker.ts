/**
 * A thread of the dense step, which is asked by message.
 */
import { DivergenceError } from "../../../kernels/dense/divergence.ts";
import { createModel } from "../../../kernels/dense/models/create_model.ts";
import {
  buffersOf,
  type TrainingBatch,
  viewOfRows,
} from "../../../kernels/dense/training_batch.ts";
import {
  createPartsSession,
  createTrainingSession,
  type TrainingSession,
} from "../../../kernels/dense/training_session.ts";
import { present } from "../../../structures/invariant.ts";
import { Helper } from "./helper.ts";
import { Leader } from "./leader.ts";
import { StepTurns } from "./step_turns.ts";
import type {
  Answer,
  Failure,
  Open,
  Order,
  Part,
  Question,
  SharedStep,
  Stepped,
  WholeStep,
} from "./protocol.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(answer: Answer, transfer?: Transferable[]): void;
};

let session: TrainingSession;
let steps: Steps;

/** Answers the questions about steps that a thread of its role gets. */
interface Steps {
  step?(step: WholeStep): Promise<Stepped>;
  sharedStep?(step: SharedStep): Promise<number>;
  part?(part: Part): Promise<TrainingBatch>;
}

scope.onmessage = async ({ data: order }) => {
  try {
    if (order.kind === "open") return await open(order);
    const { id, question } = order;
    const answer = await answerTo(question);
    scope.postMessage({ kind: "answer", id, answer }, arraysOf(question, answer));
  } catch (error) {
    const failure = failureOf(error);
    if (order.kind === "open") return scope.postMessage({ kind: "failure", failure });
    scope.postMessage({ kind: "failure", id: order.id, failure });
  }
};

async function open({ parts, role }: Open): Promise<void> {
  const model = createModel(parts.model, parts.modelSizes);
  switch (role.kind) {
    case "alone": {
      const alone = await createTrainingSession(model, parts.session);
      [session, steps] = [alone, stepsAlone(alone)];
      break;
    }
    case "leader": {
      const parted = await createPartsSession(model, parts.session);
      [session, steps] = [parted, new Leader(parted, role.ports)];
      break;
    }
    case "helper": {
      const parted = await createPartsSession(model, parts.session);
      [session, steps] = [parted, new Helper(parted, role.port)];
      break;
    }
  }
  scope.postMessage({ kind: "opened" });
}

function stepsAlone(alone: TrainingSession): Steps {
  const turns = new StepTurns();
  return {
    step: ({ batch, rows, ...number }) =>
      turns.run(number, async () => {
        await alone.setLearningRateScale(number.learningRateScale);
        const { loss } = await alone.step(viewOfRows(batch, 0, rows));
        return { loss, batch };
      }),
  };
}

function answerTo(question: Question): Promise<unknown> {
  const asked = "the question fits the role of the thread";
  switch (question.kind) {
    case "step":
      return present(steps.step?.(question), asked);
    case "sharedStep":
      return present(steps.sharedStep?.(question), asked);
    case "part":
      return present(steps.part?.(question), asked);
    case "weights":
      return session.weights();
    case "load":
      return session.load(question.weights);
    case "checkpoint":
      return session.checkpoint();
    case "restore":
      return session.restore(question.checkpoint);
    case "close":
      return session.close();
  }
}

/** The buffers that go back with an answer. */
function arraysOf(question: Question, answer: unknown): ArrayBuffer[] {
  if (question.kind === "step") return buffersOf((answer as Stepped).batch);
  return question.kind === "part" ? buffersOf(answer as TrainingBatch) : [];
}

function failureOf(error: unknown): Failure {
  const { name, message } = error as Error;
  return {
    name,
    message,
    ...(error instanceof DivergenceError && { divergence: error.divergence }),
  };
}
