/**
 * Scorers serve the weights that the trainers have, once nothing is on its way.
 *
 *     at the end, ∀ scorer:  its weights = those of the first trainer, bit by bit, unless they have
 *                            learned further
 *
 * Weights that have learned further than the trainer are of events that a fail-over of Redis has
 * lost. They are served until the trainer has learned a later event.
 */
import type { LoadDenseWeights, ScorerMessage } from "../../actors/scorer/protocol.ts";
import type { TrainerMessage } from "../../actors/trainer/protocol.ts";
import type { DenseWeights } from "../../kernels/dense/weights.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import { addresses } from "../../server/addresses.ts";
import { messageCopy } from "../world/message_copy.ts";
import type { CheckerFactory } from "./checker.ts";
import type { Serving } from "./serving.ts";

const BUDGET = { budgetMs: 10_000 };
/** The longest window of the scenarios ends within this long, and the round after it, ms. */
const AGREE_MS_MAX = 20_000;
const PAUSE_MS = 500;

/** @param running The serving processes at the end of the run. */
export function newestWeights(running: () => readonly Serving[]): CheckerFactory {
  return (context) => {
    /** By scorer, the newest weights that it was given. */
    const given = new Map<Address, DenseWeights>();
    return {
      name: "newest-weights",
      began: (actor) => void given.delete(actor),
      handles(actor, message) {
        if (message.kind !== "loadDenseWeights" || !actor.startsWith("scorer/")) return;
        const { weights } = message as LoadDenseWeights;
        if (weights.version < (given.get(actor)?.version ?? 0)) return;
        given.set(actor, messageCopy(weights));
      },
      async atEnd() {
        for (const serving of running()) {
          const scorer = addresses.scorer(serving.host);
          const { clock } = serving.mesh.mesh.home;
          const endsMs = clock.monotonicMs() + AGREE_MS_MAX;
          while (!await areNewest(serving, () => given.get(scorer))) {
            if (clock.monotonicMs() >= endsMs) {
              return context.fail(`${scorer} keeps other weights than those of the trainer`);
            }
            await new Promise<void>((resolve) => void clock.schedule(PAUSE_MS, resolve));
          }
        }
      },
    };
  };
}

async function areNewest(
  { mesh: { mesh }, host }: Serving,
  given: () => DenseWeights | undefined,
): Promise<boolean> {
  const trainer = mesh.actorRef<TrainerMessage>(addresses.trainer(0));
  const scorer = mesh.actorRef<ScorerMessage>(addresses.scorer(host));
  const { weights, learnedThroughMs } = await trainer.ask({ kind: "getDenseWeights" }, BUDGET);
  const served = await scorer.ask({ kind: "getModel" }, BUDGET);
  if (served.learnedThroughMs > learnedThroughMs) return true;
  const held = given();
  return held !== undefined &&
    Object.entries(weights.parameters).every(([name, { data }]) =>
      data.every((weight, i) => Object.is(weight, held.parameters[name].data[i]))
    );
}
