/**
 * The developer documentation: the OpenAPI document, the page to try the API, and a page for each
 * problem type. The server holds all of it, so it works on a machine without a network.
 */
import type { Endpoint } from "../endpoint.ts";
import { openApiDocument } from "../openapi.ts";
import { ProblemError, type ProblemKind, problems } from "../problems.ts";
import { textEndpoint } from "./text_endpoint.ts";
import pageHtml from "../page/try.html" with { type: "text" };
import pageScript from "../page/try.js" with { type: "text" };
import prettyScript from "../page/pretty_json.js" with { type: "text" };
import fieldsScript from "../page/schema_fields.js" with { type: "text" };
import healthScript from "../page/health_figures.js" with { type: "text" };
import barsScript from "../page/ranking_bars.js" with { type: "text" };
import examplesScript from "../page/stored_examples.js" with { type: "text" };
import themeStyle from "../page/theme.css" with { type: "text" };
import pageStyle from "../page/try.css" with { type: "text" };

const scripts = [
  ["try.js", pageScript],
  ["health_figures.js", healthScript],
  ["pretty_json.js", prettyScript],
  ["ranking_bars.js", barsScript],
  ["schema_fields.js", fieldsScript],
  ["stored_examples.js", examplesScript],
] as const;

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
    textEndpoint(
      "/",
      "tryPage",
      "A page to try this API",
      "text/html; charset=utf-8",
      () => pageHtml,
    ),
    ...scripts.map(([name, text]) =>
      textEndpoint(
        `/${name}`,
        name,
        "A script of the page",
        "text/javascript; charset=utf-8",
        () => text,
      )
    ),
    textEndpoint(
      "/try.css",
      "tryStyle",
      "The page's style",
      "text/css; charset=utf-8",
      () => themeStyle + pageStyle,
    ),
  ];
  return [
    textEndpoint(
      "/openapi.json",
      "openApi",
      "This API as an OpenAPI 3.1 document",
      "application/json",
      () => document ??= JSON.stringify(openApiDocument(endpoints)),
    ),
    textEndpoint(
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
