/**
 * A thread that runs the dense step: a session, its methods called by message.
 */
import { createModel } from "../../kernels/dense/models/create_model.ts";
import { buffersOf } from "../../kernels/dense/training_batch.ts";
import {
  createTrainingSession,
  type TrainingSession,
  type TrainingStep,
} from "../../kernels/dense/training_session.ts";
import type { Answer, Failure, Order } from "./protocol.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(answer: Answer, transfer?: Transferable[]): void;
};
let session: TrainingSession;
/** The newest call that failed. */
let failed: { readonly id: number; readonly error: unknown } | undefined;

scope.onmessage = async ({ data: order }) => {
  if (order.kind === "open") {
    try {
      const { model, modelSizes, session: options } = order.parts;
      session = await createTrainingSession(createModel(model, modelSizes), options);
      const { provider, passedOver } = session;
      scope.postMessage({ kind: "opened", provider, passedOver });
    } catch (error) {
      scope.postMessage({ kind: "notOpened", failure: failureOf(error) });
    }
    return;
  }
  const { id, method } = order;
  try {
    if (order.behind !== undefined && order.behind === failed?.id) throw failed.error;
    const call = session[method] as (...all: readonly unknown[]) => Promise<unknown>;
    const result = await call.apply(session, [...order.arguments]);
    const transfer = method === "step" ? buffersOf((result as TrainingStep).batch) : [];
    scope.postMessage({ kind: "result", id, result }, transfer);
  } catch (error) {
    failed = { id, error };
    scope.postMessage({ kind: "failure", id, failure: failureOf(error) });
  }
};

function failureOf(error: unknown): Failure {
  const { name, message } = error as Error;
  return { name, message };
}
