/**
 * The console's page and its files. They need no key, because they hold nothing.
 */
import plotScript from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import plotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import type { Endpoint } from "../endpoint.ts";
import activityScript from "../page/console/activity.js" with { type: "text" };
import chartScript from "../page/console/chart.js" with { type: "text" };
import pageStyle from "../page/console/console.css" with { type: "text" };
import pageHtml from "../page/console/console.html" with { type: "text" };
import pageScript from "../page/console/console.js" with { type: "text" };
import elementsScript from "../page/console/elements.js" with { type: "text" };
import formatScript from "../page/console/format.js" with { type: "text" };
import meshScript from "../page/console/mesh.js" with { type: "text" };
import themeStyle from "../page/theme.css" with { type: "text" };
import storyScript from "../page/console/story.js" with { type: "text" };
import { textEndpoint } from "./text_endpoint.ts";

const [SCRIPT, STYLE] = ["text/javascript; charset=utf-8", "text/css; charset=utf-8"];

const files = [
  ["console.js", SCRIPT, pageScript],
  ["chart.js", SCRIPT, chartScript],
  ["activity.js", SCRIPT, activityScript],
  ["mesh.js", SCRIPT, meshScript],
  ["story.js", SCRIPT, storyScript],
  ["elements.js", SCRIPT, elementsScript],
  ["format.js", SCRIPT, formatScript],
  ["uplot.js", SCRIPT, plotScript],
  ["console.css", STYLE, themeStyle + pageStyle],
  ["uplot.css", STYLE, plotStyle],
] as const;

/** The page and its files. */
export function consolePages(): Endpoint[] {
  return [
    textEndpoint(
      "/console",
      "consolePage",
      "The console: the server's state",
      "text/html; charset=utf-8",
      () => pageHtml,
    ),
    ...files.map(([name, contentType, text]) =>
      textEndpoint(`/console/${name}`, name, "A file of the console", contentType, () => text)
    ),
  ];
}
