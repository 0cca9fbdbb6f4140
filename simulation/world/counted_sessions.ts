/**
 * The dense sessions of simulated processes. They count their passes by form, for the probes.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { InferenceBatch, InferenceSession } from "../../kernels/dense/inference_session.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import type { DenseSessions } from "../../server/environment.ts";
import { referenceSessions } from "../../server/reference_sessions.ts";

/** Counter of passes, with a label `form`. */
export const PASSES = "simulated_passes_total";

export type PassForm = "whole" | "histories" | "oneRanking" | "severalRankings";

/** Sessions of the configured model on the reference provider. */
export function countedSessions(
  configuration: CairnConfiguration,
  telemetry: Telemetry,
): DenseSessions {
  const sessions = referenceSessions(configuration);
  const passes = telemetry.counter(PASSES, { help: "Passes of the dense model by form." });
  return {
    openTraining: () => sessions.openTraining(),
    openInference: async () =>
      counted(await sessions.openInference(), (form) => passes.add(1, { form })),
  };
}

function counted(session: InferenceSession, ran: (form: PassForm) => void): InferenceSession {
  const { model, provider, sharedSlots, parameters } = session;
  return {
    model,
    provider,
    sharedSlots,
    parameters,
    get version() {
      return session.version;
    },
    predict(batch) {
      ran(formOf(batch));
      return session.predict(batch);
    },
    load: (weights) => session.load(weights),
    close: () => session.close(),
  };
}

function formOf({ shared, histories = {} }: InferenceBatch): PassForm {
  if (shared !== undefined) return shared.rankings === 1 ? "oneRanking" : "severalRankings";
  return Object.keys(histories).length > 0 ? "histories" : "whole";
}
