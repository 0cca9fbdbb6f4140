/**
 * Compares the TypeScript client's types with the schemas of `/openapi.json`, at compile time. This
 * file has no tests of its own: `typescript_client.test.ts` compiles it.
 */
import type { z } from "zod";
import type * as client from "../../clients/cairn.ts";
import type { ProblemKind } from "../../gateway/problems.ts";
import type { eventsAnswerSchema, eventSchema } from "../../gateway/schemas/events.ts";
import type { erasureSchema } from "../../gateway/schemas/erasures.ts";
import type { problemSchema } from "../../gateway/schemas/problem.ts";
import type {
  profileEntrySchema,
  profilePageSchema,
  profilesAnswerSchema,
  profileSchema,
  storedProfileSchema,
} from "../../gateway/schemas/profiles.ts";
import type { rankingSchema, rankRequestSchema } from "../../gateway/schemas/rank.ts";
import type {
  recommendRequestSchema,
  similarRequestSchema,
} from "../../gateway/schemas/recommend.ts";
import type { shownAnswerSchema, shownRequestSchema } from "../../gateway/schemas/shown.ts";

/** The type without `readonly` and with intersections merged, at every depth. */
type Plain<T> = T extends readonly (infer Entry)[] ? Plain<Entry>[]
  : T extends object ? { -readonly [Key in keyof T]: Plain<Exclude<T[Key], undefined>> }
  : T;

/** Whether two types are the same, optional fields included. */
type Same<A, B> = (<T>() => T extends Plain<A> ? 1 : 2) extends
  (<T>() => T extends Plain<B> ? 1 : 2) ? true
  : false;

const same: {
  rankRequest: Same<client.RankRequest, z.infer<typeof rankRequestSchema>>;
  recommendRequest: Same<client.RecommendRequest, z.infer<typeof recommendRequestSchema>>;
  similarRequest: Same<client.SimilarRequest, z.infer<typeof similarRequestSchema>>;
  ranking: Same<client.Ranking, z.infer<typeof rankingSchema>>;
  shownReport: Same<client.ShownReport, z.infer<typeof shownRequestSchema>>;
  shownAnswer: Same<client.ShownAnswer, z.infer<typeof shownAnswerSchema>>;
  // The client draws the eventId that the server requires.
  event: Same<
    client.CairnEvent & { eventId: string },
    z.infer<typeof eventSchema>
  >;
  eventsAnswer: Same<client.EventsAnswer, z.infer<typeof eventsAnswerSchema>>;
  profileEntry: Same<client.ProfileEntry, z.infer<typeof profileEntrySchema>>;
  profile: Same<client.Profile, z.infer<typeof profileSchema>>;
  storedProfile: Same<client.StoredProfile, z.infer<typeof storedProfileSchema>>;
  profilePage: Same<client.ProfilePage, z.infer<typeof profilePageSchema>>;
  profilesAnswer: Same<client.ProfilesAnswer, z.infer<typeof profilesAnswerSchema>>;
  erasure: Same<client.Erasure, z.infer<typeof erasureSchema>>;
  problem: Same<client.Problem, z.infer<typeof problemSchema>>;
  problemKind: Same<client.ProblemKind, ProblemKind>;
} = {
  rankRequest: true,
  recommendRequest: true,
  similarRequest: true,
  ranking: true,
  shownReport: true,
  shownAnswer: true,
  event: true,
  eventsAnswer: true,
  profileEntry: true,
  profile: true,
  storedProfile: true,
  profilePage: true,
  profilesAnswer: true,
  erasure: true,
  problem: true,
  problemKind: true,
};

// The comparison itself: a missing optional field, another type and another optionality differ.
const different: [
  Same<Omit<client.RankRequest, "shown">, client.RankRequest>,
  Same<{ id: string }, { id: number }>,
  Same<{ id: string }, { id?: string }>,
  Same<{ list: { kind: "a" }[] }, { list: { kind: "a" | "b" }[] }>,
] = [false, false, false, false];

export { different, same };
