/**
 * `GET /v1/items` and `/v1/users`: stored profiles page by page, with their number; and
 * `GET /v1/items.jsonl` and `/v1/users.jsonl`: all of them as JSON Lines.
 */
import {
  type Profile,
  ProfileCursorError,
  type ProfileKind,
  type ProfilePage,
} from "../../mesh/ports/profile_store.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import { withinDeadline } from "../middleware/deadline.ts";
import { PROFILES_PER_PAGE_DEFAULT } from "../options.ts";
import { readQuery } from "../parsing/query.ts";
import { TimestampParser } from "../parsing/timestamps.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import {
  profileExportQuerySchema,
  profilePageQuerySchema,
  profilePageSchema,
} from "../schemas/profiles.ts";
import { TextResponse } from "../text_response.ts";
import { profileAnswer } from "./profile_answer.ts";

/** Profiles that an export reads at a time. */
const PROFILES_PER_READ = 100;

export function profilePageEndpoints(kind: ProfileKind, parts: GatewayParts): Endpoint[] {
  const { clock, profiles } = parts;
  // A time ahead of the clock closes no window here: it lists everything.
  const timestamps = new TimestampParser(clock, Infinity);

  async function page(context: GatewayContext): Promise<Response> {
    const query = readQuery(context, profilePageQuerySchema);
    const isListed = writtenBefore(query.writtenBefore);
    const { profiles: read, next } = await pageOf(
      context,
      query.cursor,
      query.limit ?? PROFILES_PER_PAGE_DEFAULT,
    );
    return TextResponse.json({
      count: profiles.count(kind),
      profiles: read.filter(isListed).map(profileAnswer),
      ...(next !== undefined && { next }),
    });
  }

  /** The first page is read before the answer begins, so that a store that is away is a problem. */
  async function exported(context: GatewayContext): Promise<Response> {
    const { writtenBefore: before } = readQuery(context, profileExportQuerySchema);
    const isListed = writtenBefore(before);
    let page: ProfilePage | undefined = await pageOf(context, undefined, PROFILES_PER_READ);
    let { next } = page;
    const lines = new ReadableStream<Uint8Array>({
      // A failure breaks the connection, so that the client sees that the export is not complete.
      async pull(controller) {
        for (;;) {
          if (page === undefined) {
            if (next === undefined) return controller.close();
            page = await profiles.list(kind, next, PROFILES_PER_READ);
            next = page.next;
          }
          const listed = page.profiles.filter(isListed).map(profileAnswer);
          page = undefined;
          if (listed.length === 0) continue;
          const text = listed.map((profile) => `${JSON.stringify(profile)}\n`).join("");
          return controller.enqueue(new TextEncoder().encode(text));
        }
      },
    }, { highWaterMark: 0 });
    return context.body(lines, 200, { "content-type": "application/jsonl; charset=utf-8" });
  }

  function writtenBefore(time: number | string | undefined): (profile: Profile) => boolean {
    if (time === undefined) return () => true;
    const beforeMs = timestamps.parse(time, "#/writtenBefore");
    return ({ updatedAtMs }) => updatedAtMs < beforeMs;
  }

  async function pageOf(
    context: GatewayContext,
    cursor: string | undefined,
    limit: number,
  ): Promise<ProfilePage> {
    try {
      return await withinDeadline(
        context,
        clock,
        profiles.list(kind, cursor, limit),
        "The profile store did not answer in time. Send the request again.",
      );
    } catch (error) {
      if (!(error instanceof ProfileCursorError)) throw error;
      const detail = `is ${JSON.stringify(cursor)}; send the \`next\` of a page, or leave it out`;
      throw new ProblemError("invalid-request", `#/cursor ${detail}.`, {
        errors: [{ pointer: "#/cursor", detail }],
        cause: error,
      });
    }
  }

  const Kinds = kind === "item" ? "Items" : "Users";
  return [
    {
      method: "get",
      path: `/v1/${kind}s`,
      operationId: `list${Kinds}`,
      summary: `List and count the stored ${kind}s`,
      description:
        "One page. A profile that is stored while all pages are read is in one of them at least. " +
        `With \`writtenBefore\`, the ${kind}s that were not written since: stale ones.`,
      tag: "Profiles",
      guarded: true,
      query: profilePageQuerySchema,
      answers: { 200: { description: "A page of profiles.", schema: profilePageSchema } },
      problems: ["unavailable", "deadline-exceeded"],
      handle: page,
    },
    {
      method: "get",
      path: `/v1/${kind}s.jsonl`,
      operationId: `export${Kinds}`,
      summary: `Export the stored ${kind}s as JSON Lines`,
      description:
        "One profile per line. An export that fails breaks the connection, so a complete answer is " +
        "a complete export.",
      tag: "Profiles",
      guarded: true,
      query: profileExportQuerySchema,
      answers: {
        200: { description: "A profile on each line.", contentType: "application/jsonl" },
      },
      problems: ["unavailable", "deadline-exceeded"],
      handle: exported,
    },
  ];
}
