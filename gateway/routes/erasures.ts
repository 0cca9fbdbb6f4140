/**
 * `GET /v1/erasures/{id}`, the receipt of an erasure, and its begin by
 * `DELETE /v1/users/{id}?forget=true`.
 */
import type { ErasedCross, TrainerErasure } from "../../records/erasure.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import { type ErasureState, isForgotten } from "../erasure/erasure_state.ts";
import { withinDeadline } from "../middleware/deadline.ts";
import { validate } from "../parsing/validation.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import { type ErasureAnswer, erasurePathSchema, erasureSchema } from "../schemas/erasures.ts";
import { TextResponse } from "../text_response.ts";

/** Answers with the receipt of a new erasure. */
export async function eraseUser(
  { erasures, clock }: GatewayParts,
  context: GatewayContext,
  user: string,
): Promise<Response> {
  if (erasures === undefined) {
    throw new ProblemError(
      "unavailable",
      "This server does not train, so it cannot erase what was learned. Ask the server that does.",
    );
  }
  const state = await withinDeadline(
    context,
    clock,
    erasures.erase(user),
    "The logs did not confirm in time, so whether the erasure began is unknown. Send it again: " +
      "an erasure that comes twice has no further effect.",
  );
  const answer = answerOf(state);
  const response = TextResponse.json(answer, 202);
  TextResponse.addHeader(response, "location", `/v1/erasures/${answer.erasureId}`);
  return response;
}

export function erasureEndpoint({ erasures }: GatewayParts): Endpoint {
  return {
    method: "get",
    path: "/v1/erasures/{id}",
    operationId: "getErasure",
    summary: "Read the receipt of an erasure",
    description:
      "Says of each part of the server whether it has dropped the user, and which logs " +
      "and snapshots still hold something. It has no id of the user.",
    tag: "Profiles",
    guarded: true,
    parameters: erasurePathSchema,
    answers: { 200: { description: "The receipt.", schema: erasureSchema } },
    problems: ["unknown-erasure", "unavailable", "deadline-exceeded"],
    handle: async (context) => {
      const { id } = validate(erasurePathSchema, { id: context.req.param("id") });
      const state = await erasures?.read(id);
      if (state !== undefined) {
        return TextResponse.json(answerOf(state));
      }
      throw new ProblemError("unknown-erasure", `There is no erasure "${id}".`);
    },
  };
}

function answerOf(state: ErasureState): ErasureAnswer {
  const { request, sources, trainers, keepers, holds } = state;
  const { erasureId, requestedAtMs, byMs, completedAtMs } = request;
  const forgotten = isForgotten(state);
  const isSecond = request.secondAt !== undefined;
  return {
    erasureId,
    status: !forgotten ? "erasing" : holds.length > 0 ? "expiring" : "erased",
    requestedAtMs,
    byMs,
    ...(completedAtMs !== undefined && { completedAtMs }),
    profile: { status: "erased", removed: request.profileRemoved },
    gateway: { status: statusOf(isSecond), rankingsForgotten: request.rankingsForgotten },
    ...(keepers.length > 0 && { keptFeatures: statusOf(keepers.every(Boolean)) }),
    trainers: trainers.map((passes, i) => trainerAnswer(sources[i], passes)),
    serving: statusOf(request.servedAtMs !== undefined),
    holds: holds.map((hold) => {
      if (hold.kind !== "snapshot") return { ...hold, untilMs: byMs };
      const { kind, name, pinned } = hold;
      return { kind, name, ...(!pinned && { untilMs: byMs }) };
    }),
  };
}

function trainerAnswer(
  trainer: string,
  passes: readonly (TrainerErasure | undefined)[],
): ErasureAnswer["trainers"][number] {
  const known = passes.filter((pass) => pass !== undefined);
  const counts = known.map(({ rowsRemoved }) => rowsRemoved);
  const areCounted = known.length > 0 && counts.every((count) => count !== undefined);
  return {
    trainer,
    status: statusOf(passes[1] !== undefined),
    ...(areCounted && { rowsRemoved: sum(counts as number[]) }),
    crosses: mergedCrosses(known.flatMap(({ crosses }) => crosses)),
    quarantined: sum(known.map(({ quarantined }) => quarantined)),
  };
}

/** The crosses of both passes, each slot once: rows add up, and the last pass tells the rest. */
function mergedCrosses(crosses: readonly ErasedCross[]): ErasedCross[] {
  const merged = new Map<string, ErasedCross>();
  for (const cross of crosses) {
    const rowsRemoved = cross.rowsRemoved + (merged.get(cross.slot)?.rowsRemoved ?? 0);
    merged.set(cross.slot, { ...cross, rowsRemoved });
  }
  return [...merged.values()];
}

function statusOf(isErased: boolean): "erased" | "waiting" {
  return isErased ? "erased" : "waiting";
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
