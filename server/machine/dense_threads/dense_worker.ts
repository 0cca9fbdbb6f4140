/**
 * A thread that runs a replica of the dense model: a session that is asked by message.
 */
import { DivergenceError } from "../../../kernels/dense/divergence.ts";
import { createModel } from "../../../kernels/dense/models/create_model.ts";
import { buffersOf, viewOfRows } from "../../../kernels/dense/training_batch.ts";
import {
  createTrainingSession,
  type TrainingSession,
} from "../../../kernels/dense/training_session.ts";
import { portReplicaGroup } from "./port_replica_group.ts";
import type { Answer, Failure, Open, Order, Question, Step, Stepped } from "./protocol.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(answer: Answer, transfer?: Transferable[]): void;
};
let session: TrainingSession;
/** The newest step that failed. */
let failed: { readonly number: number; readonly error: unknown } | undefined;

scope.onmessage = async ({ data: order }) => {
  try {
    if (order.kind === "open") return await open(order);
    const { id, question } = order;
    const answer = await answerTo(question);
    const transfer = question.kind === "step" ? buffersOf((answer as Stepped).batch) : [];
    scope.postMessage({ kind: "answer", id, answer }, transfer);
  } catch (error) {
    const failure = failureOf(error);
    if (order.kind === "open") return scope.postMessage({ kind: "failure", failure });
    scope.postMessage({ kind: "failure", id: order.id, failure });
  }
};

async function open({ parts, replica, ports }: Open): Promise<void> {
  const { model, modelSizes, session: options } = parts;
  session = await createTrainingSession(createModel(model, modelSizes), {
    ...options,
    ...(ports.length > 0 && { threads: 1, replicas: portReplicaGroup(replica, ports) }),
  });
  scope.postMessage({ kind: "opened" });
}

function answerTo(question: Question): Promise<unknown> {
  switch (question.kind) {
    case "step":
      return step(question);
    case "weights":
      return session.weights();
    case "load":
      return session.load(question.weights);
    case "scaleLearningRate":
      return session.setLearningRateScale(question.scale);
    case "checkpoint":
      return session.checkpoint();
    case "restore":
      return session.restore(question.checkpoint);
    case "close":
      return session.close();
  }
}

async function step({ batch, rows, share, number, waits }: Step): Promise<Stepped> {
  try {
    if (waits && failed?.number === number - 1) throw failed.error;
    const { loss } = await session.step({ ...viewOfRows(batch, 0, rows), share });
    return { loss, batch };
  } catch (error) {
    failed = { number, error };
    throw error;
  }
}

function failureOf(error: unknown): Failure {
  const { name, message } = error as Error;
  return {
    name,
    message,
    ...(error instanceof DivergenceError && { divergence: error.divergence }),
  };
}
