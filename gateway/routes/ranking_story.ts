/**
 * Endpoints of the console that answer what a user got, and why: from the event log and the spans
 * of all hosts.
 */
import type { Console } from "../console/console.ts";
import { type FoundRankings, LogSearch } from "../console/log_search.ts";
import { actionsOf, rankingStory } from "../console/ranking_story.ts";
import type { Endpoint } from "../endpoint.ts";
import { readQuery } from "../parsing/query.ts";
import { validate } from "../parsing/validation.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import { fields } from "../schemas/registry.ts";
import { idSchema } from "../schemas/values.ts";
import { TextResponse } from "../text_response.ts";
import { itemsShown } from "../../records/event_record.ts";

/** Rankings of a user that are listed. */
const RANKINGS_MAX = 20;

const userQuery = fields({
  user: idSchema("The user whose newest rankings are listed.", "user-7"),
}, "a query");
const rankingPath = fields({ rankingId: idSchema("The ranking.", "r-1") }, "a path");

/** Both search the log; one search at a time, so that viewers cannot slow rankings down. */
export function rankingStoryEndpoints(
  console: Console,
  { eventLog, clock }: Pick<GatewayParts, "eventLog" | "clock">,
): Endpoint[] {
  const search = new LogSearch(eventLog, clock);
  let isSearching = false;
  const alone = async <T>(work: () => Promise<T>): Promise<T> => {
    if (isSearching) {
      throw new ProblemError(
        "unavailable",
        "Another window of the console is searching the log; try again in a moment.",
      );
    }
    isSearching = true;
    try {
      return await work();
    } finally {
      isSearching = false;
    }
  };
  const shared = { method: "get", tag: "Operations", guarded: true } as const;
  return [
    {
      ...shared,
      path: "/console/rankings",
      operationId: "consoleRankings",
      summary: "What a user got: the newest rankings that the event log has",
      query: userQuery,
      answers: {
        200: { description: "Rankings, newest first.", contentType: "application/json" },
      },
      problems: ["invalid-request", "malformed-request", "unavailable"],
      async handle(context) {
        const { user } = readQuery(context, userQuery);
        const found = await alone(() => search.ofUser(user, RANKINGS_MAX));
        return TextResponse.json({
          recordsRead: found.recordsRead,
          isPartial: found.isPartial,
          rankings: found.rankings.map(({ partition, offset, ...logged }) => ({
            rankingId: logged.impression.rankingId,
            user,
            atMs: logged.impression.acceptedAtMs,
            partition,
            offset,
            items: itemsShown(logged.impression).length,
            actions: actionsOf(logged.followers).map(({ action, item }) => `${action} on ${item}`),
          })),
        });
      },
    },
    {
      ...shared,
      path: "/console/rankings/{rankingId}",
      operationId: "consoleRanking",
      summary: "The way of a ranking, from its request to the first score that learned from it",
      parameters: rankingPath,
      answers: {
        200: {
          description: "Items with contributions, steps, and spans.",
          contentType: "application/json",
        },
      },
      problems: ["ranking-not-kept", "invalid-request", "malformed-request", "unavailable"],
      async handle(context) {
        const { rankingId } = validate(rankingPath, {
          rankingId: lastSegment(context.req.url),
        });
        const found = await alone(() => search.ofId(rankingId));
        const activity = await console.mergedActivity();
        const story = await rankingStory(console.sources, { rankingId, found, activity });
        if (story === undefined) throw notKept(rankingId, found);
        return TextResponse.json(story);
      },
    },
  ];
}

function notKept(rankingId: string, { isPartial, recordsRead }: FoundRankings): ProblemError {
  const read = isPartial ? `the newest ${recordsRead} records of the event log` : "the event log";
  return new ProblemError(
    "ranking-not-kept",
    `Neither ${read} nor the newest rankings have a ranking "${rankingId}". Check the id, or ` +
      "search the log for the rankings of its user: GET /console/rankings?user=user-7.",
  );
}

/** The path's last part, decoded here because the router passes a wrong encoding on undecoded. */
function lastSegment(url: string): string {
  const [path] = url.split(/[?#]/, 1);
  try {
    return decodeURIComponent(path.slice(path.lastIndexOf("/") + 1));
  } catch {
    throw new ProblemError(
      "malformed-request",
      "The ranking id in the path is not percent-encoded UTF-8.",
    );
  }
}
