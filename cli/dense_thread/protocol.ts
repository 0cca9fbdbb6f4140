/**
 * What a thread that runs the dense step is told, and what it answers.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { TrainingSession } from "../../kernels/dense/training_session.ts";

/** What the dense model is made from. */
export type DenseModelParts = Pick<CairnConfiguration, "model" | "modelSizes" | "session">;

/** Methods of a session that another thread runs. */
export type RemoteMethod = "step" | "weights" | "load" | "checkpoint" | "restore" | "close";

export type ArgumentsOf<Method extends RemoteMethod> = Parameters<TrainingSession[Method]>;
export type ResultOf<Method extends RemoteMethod> = Awaited<ReturnType<TrainingSession[Method]>>;

/** The first message to the thread, and then one for each call. */
export type Order =
  | { readonly kind: "open"; readonly parts: DenseModelParts }
  | {
    readonly kind: "call";
    readonly id: number;
    readonly method: RemoteMethod;
    readonly arguments: readonly unknown[];
    /** The step before, where it was not answered yet: if it fails, this one does. */
    readonly behind?: number;
  };

/** Errors travel by name and message. */
export interface Failure {
  readonly name: string;
  readonly message: string;
}

export type Answer =
  | {
    readonly kind: "opened";
    readonly provider: string;
    readonly passedOver: readonly string[];
  }
  | { readonly kind: "notOpened"; readonly failure: Failure }
  | { readonly kind: "result"; readonly id: number; readonly result: unknown }
  | { readonly kind: "failure"; readonly id: number; readonly failure: Failure };
