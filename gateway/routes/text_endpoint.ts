/**
 * Endpoints that answer a text that the server holds: pages, their files, and documents.
 */
import type { Endpoint } from "../endpoint.ts";

/**
 * @param content The text; its argument is the path's parameter `kind`, if it has one.
 */
export function textEndpoint(
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
