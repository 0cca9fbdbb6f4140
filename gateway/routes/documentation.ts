/**
 * The developer documentation: the OpenAPI document, the page to try the API, and a page for each
 * problem type. The server holds all of it, so it works on a machine without a network.
 */
import type { Endpoint } from "../endpoint.ts";
import { openApiDocument } from "../openapi.ts";
import { ProblemError, type ProblemKind, problems } from "../problems.ts";
import pageHtml from "../page/try.html" with { type: "text" };
import pageScript from "../page/try.js" with { type: "text" };
import pageStyle from "../page/try.css" with { type: "text" };

/**
 * @param endpoints The endpoints that the OpenAPI document describes.
 * @param withPage Whether to serve the page to try the API.
 */
export function documentationEndpoints(
  endpoints: readonly Endpoint[],
  withPage: boolean,
): Endpoint[] {
  let document: string | undefined;
  const page = [
    text("/", "tryPage", "A page to try this API", "text/html; charset=utf-8", () => pageHtml),
    text(
      "/try.js",
      "tryScript",
      "The page's script",
      "text/javascript; charset=utf-8",
      () => pageScript,
    ),
    text("/try.css", "tryStyle", "The page's style", "text/css; charset=utf-8", () => pageStyle),
  ];
  return [
    text(
      "/openapi.json",
      "openApi",
      "This API as an OpenAPI 3.1 document",
      "application/json",
      () => document ??= JSON.stringify(openApiDocument(endpoints)),
    ),
    text(
      "/problems/{kind}",
      "problem",
      "The meaning of a problem type",
      "text/plain; charset=utf-8",
      problemText,
    ),
    ...(withPage ? page : []),
  ];
}

function problemText(kind: string | undefined): string {
  if (kind === undefined || !Object.hasOwn(problems, kind)) {
    throw new ProblemError("unknown-path", `There is no problem type "${kind}".`);
  }
  const { title, status, remedy } = problems[kind as ProblemKind];
  return `/problems/${kind} (HTTP ${status})\n\n${title}.\n${remedy}\n`;
}

function text(
  path: string,
  operationId: string,
  summary: string,
  contentType: string,
  content: (kind?: string) => string,
): Endpoint {
  return {
    method: "get",
    path,
    operationId,
    summary,
    tag: "Operations",
    guarded: false,
    answers: { 200: { description: summary, contentType } },
    problems: [],
    handle: (context) =>
      context.body(content(context.req.param("kind")), 200, {
        "content-type": contentType,
        "content-security-policy": "default-src 'self'; img-src data:; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
      }),
  };
}
