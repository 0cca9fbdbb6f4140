/**
 * `POST /v1/items` and `/v1/users`: stores many profiles in one request. Each profile is stored or
 * rejected on its own; the stored ones share commits.
 */
import type { ProfileKind } from "../../mesh/ports/profile_store.ts";
import { requireFeatures } from "../attributes/attribute_types.ts";
import { noteOnProfiles } from "../attributes/known_attributes.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import type { FailureLog } from "../failure_log.ts";
import { withinDeadline } from "../middleware/deadline.ts";
import { PROFILES_PER_LIST_MAX } from "../options.ts";
import { describe, FieldErrorBudget } from "../parsing/field_errors.ts";
import { BodyReader } from "../parsing/request_body.ts";
import { validateEntry } from "../parsing/validation.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError, problemOf } from "../problems.ts";
import {
  type ProfileEntry,
  profileEntrySchema,
  type ProfilesAnswer,
  profilesAnswerSchema,
  profilesRequestSchema,
} from "../schemas/profiles.ts";
import { answerList, problemsOf, refuseWrappedList, requireListLength } from "./lists.ts";

interface Stored {
  readonly id: string;
  readonly status: "stored";
  readonly version: number;
  readonly updatedAtMs: number;
}

interface Rejected {
  readonly id?: string;
  readonly status: "rejected";
  readonly problem: ProblemError;
}

export function profileListEndpoint(
  kind: ProfileKind,
  parts: GatewayParts,
  failures: FailureLog,
): Endpoint {
  const { clock, options, profiles } = parts;
  const body = new BodyReader(clock, options);
  const known = parts.attributes?.[kind];

  async function post(context: GatewayContext): Promise<Response> {
    const list = listOf(await body.readJson(context), kind);
    const budget = new FieldErrorBudget();
    const outcomes = await withinDeadline(
      context,
      clock,
      Promise.all(list.map((sent, index) => outcomeOf(sent, index, budget))),
      "The profile store did not confirm in time, so whether the profiles were written is unknown. " +
        "Send them again: the last write counts.",
    );
    // The note is about stored profiles only; a rejected entry has a problem of its own.
    const stored = list.filter((_, i) => outcomes[i].status === "stored") as ProfileEntry[];
    const note = known && noteOnProfiles(stored.map(({ attributes }) => attributes), known);
    const answer = { ...answerOf(outcomes), ...(note !== undefined && { note }) };
    return answerList(context, failures, answer, problemsOf(outcomes), {
      entries: list.length,
      none: "no-profile-stored",
      nothingDone: `None of the ${list.length} profiles was stored`,
    });
  }

  /** Turns a failure into an outcome, so that it does not affect the other entries. */
  async function outcomeOf(
    sent: unknown,
    index: number,
    budget: FieldErrorBudget,
  ): Promise<Stored | Rejected> {
    try {
      return await store(sent, index, budget);
    } catch (error) {
      const id = (sent as { id?: unknown } | null)?.id;
      return {
        ...(typeof id === "string" && { id }),
        status: "rejected",
        problem: problemOf(error),
      };
    }
  }

  async function store(sent: unknown, index: number, budget: FieldErrorBudget): Promise<Stored> {
    const { id, attributes } = validateEntry(profileEntrySchema, sent, [index], budget);
    requireFeatures(parts, kind, attributes, [index]);
    const { version, updatedAtMs } = await profiles.put(kind, id, attributes);
    return { id, status: "stored", version, updatedAtMs };
  }

  return {
    method: "post",
    path: `/v1/${kind}s`,
    operationId: `post${kind === "item" ? "Items" : "Users"}`,
    summary: `Store the attributes of many ${kind}s`,
    description:
      `A list of up to ${PROFILES_PER_LIST_MAX} profiles. Each is stored or rejected on its own and ` +
      `replaces the attributes that were stored for its ${kind}.`,
    tag: "Profiles",
    guarded: true,
    body: profilesRequestSchema,
    ...(known && { example: [{ id: `${kind}-1`, attributes: known }] }),
    answers: {
      200: { description: "All profiles were stored.", schema: profilesAnswerSchema },
      207: {
        description: "Some profiles of the list were rejected; the others were stored.",
        schema: profilesAnswerSchema,
      },
    },
    problems: ["no-profile-stored", "unavailable", "deadline-exceeded"],
    handle: post,
  };
}

function listOf(sent: unknown, kind: ProfileKind): unknown[] {
  refuseWrappedList(sent);
  if (!Array.isArray(sent)) {
    const detail = `${describe(sent)}; send a list of profiles, each like ` +
      `{"id": "${kind}-1", "attributes": {"year": 1994}}, or one with PUT /v1/${kind}s/{id}`;
    throw new ProblemError("invalid-request", `The body ${detail}.`, {
      errors: [{ pointer: "#", detail }],
    });
  }
  requireListLength(sent, PROFILES_PER_LIST_MAX, "profiles");
  return sent;
}

function answerOf(outcomes: readonly (Stored | Rejected)[]): ProfilesAnswer {
  const rejected = problemsOf(outcomes).length;
  return {
    stored: outcomes.length - rejected,
    rejected,
    profiles: outcomes.map((outcome) =>
      outcome.status === "stored" ? outcome : { ...outcome, problem: outcome.problem.body() }
    ),
  };
}
