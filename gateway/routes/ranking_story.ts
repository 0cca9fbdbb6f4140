/**
 * Endpoints of the console that answer what a user got, and why: from the event log and the spans
 * of all hosts.
 */
import { z } from "zod";
import type { Console } from "../console/console.ts";
import { LogSearch } from "../console/log_search.ts";
import { actionsOf, rankingStory } from "../console/ranking_story.ts";
import type { Endpoint } from "../endpoint.ts";
import { readQuery } from "../parsing/query.ts";
import { validate } from "../parsing/validation.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import { TextResponse } from "../text_response.ts";
import { itemsShown } from "../../records/event_record.ts";

/** Rankings of a user that are listed. */
const RANKINGS_MAX = 20;

const id = z.string().min(1).max(256);
const userQuery = z.strictObject({
  user: id.optional().meta({ description: "The user whose newest rankings are listed." }),
});
const rankingPath = z.strictObject({ rankingId: id });

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
        if (user === undefined) {
          throw new ProblemError("invalid-request", "Send a user: /console/rankings?user=ann.");
        }
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
          description: "Items with contributions, steps, and spans; null where it is not known.",
          contentType: "application/json",
        },
      },
      problems: ["invalid-request", "malformed-request", "unavailable"],
      async handle(context) {
        const { rankingId } = validate(rankingPath, {
          rankingId: lastSegment(context.req.url),
        });
        const found = await alone(() => search.ofId(rankingId));
        const activity = await console.mergedActivity();
        const story = await rankingStory(console.sources, { rankingId, found, activity });
        return TextResponse.json(story ?? null);
      },
    },
  ];
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
