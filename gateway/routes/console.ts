/**
 * The console: a page for operators, its files, and the stream of what it shows.
 *
 * The page and its files need no key, because they hold nothing; the stream needs one where keys
 * are configured.
 */
import plotScript from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import plotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import { charts } from "../console/charts.ts";
import { type Console, SAMPLE_MS, VIEWERS_MAX } from "../console/console.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import activityScript from "../page/console/activity.js" with { type: "text" };
import chartScript from "../page/console/chart.js" with { type: "text" };
import pageStyle from "../page/console/console.css" with { type: "text" };
import pageHtml from "../page/console/console.html" with { type: "text" };
import pageScript from "../page/console/console.js" with { type: "text" };
import elementsScript from "../page/console/elements.js" with { type: "text" };
import formatScript from "../page/console/format.js" with { type: "text" };
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import type { ReadyAnswer } from "../schemas/health.ts";
import { textEndpoint } from "./text_endpoint.ts";

/** The newest requests are sent this often, ms. */
const ACTIVITY_MS = 1_000;
/** Bytes of a viewer's stream that wait; a viewer that reads slower misses samples. */
const STREAM_BYTES_MAX = 4 * 2 ** 20;

const [SCRIPT, STYLE] = ["text/javascript; charset=utf-8", "text/css; charset=utf-8"];

const streamHeaders = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
};

/** The page's files. */
const files = [
  ["console.js", SCRIPT, pageScript],
  ["chart.js", SCRIPT, chartScript],
  ["activity.js", SCRIPT, activityScript],
  ["elements.js", SCRIPT, elementsScript],
  ["format.js", SCRIPT, formatScript],
  ["uplot.js", SCRIPT, plotScript],
  ["console.css", STYLE, pageStyle],
  ["uplot.css", STYLE, plotStyle],
] as const;

/** The charts as the page gets them. */
const described = charts.map(({ id, group, title, unit, help }) => ({
  id,
  group,
  title,
  unit,
  help,
}));

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

/** @param ready The answer of `/health/ready`; rejects with a problem while it is not ready. */
export function consoleStream(
  console: Console,
  { clock }: Pick<GatewayParts, "clock">,
  ready: () => Promise<ReadyAnswer>,
): Endpoint {
  return {
    method: "get",
    path: "/console/stream",
    operationId: "consoleStream",
    summary: "What the console shows, as server-sent events",
    tag: "Operations",
    guarded: true,
    answers: {
      200: {
        description: "`history` once, then `sample` every 5 s and `activity` every second.",
        contentType: "text/event-stream",
      },
    },
    problems: ["unavailable"],
    handle: (context) => stream(context),
  };

  function stream(context: GatewayContext): Response {
    // Its answer has no body, so no reader would ever leave.
    if (context.req.method === "HEAD") return context.body(null, 200, streamHeaders);
    const { readable, send, close, cancelled } = eventStream();
    const unsubscribe = console.subscribe({
      sample: (sample) => send("sample", sample),
      ended: () => {
        end();
        close();
      },
    });
    if (unsubscribe === undefined) {
      throw new ProblemError(
        "unavailable",
        `The console takes no more than ${VIEWERS_MAX} viewers, or the server stops. Close the ` +
          "console in another window.",
      );
    }
    let timer = clock.schedule(0, sendActivity);
    let ended = false;
    const end = () => {
      ended = true;
      timer.cancel();
      unsubscribe();
    };
    cancelled.then(end);
    send("history", { sampleMs: SAMPLE_MS, charts: described, series: console.history.read() });

    async function sendActivity(): Promise<void> {
      const state = await ready().catch((error) => ({
        status: "not ready" as const,
        detail: error instanceof Error ? error.message : String(error),
      }));
      if (ended) return;
      send("activity", { atMs: clock.nowMs(), state, ...console.activity.read() });
      timer = clock.schedule(ACTIVITY_MS, sendActivity);
    }
    return context.body(readable, 200, streamHeaders);
  }
}

/** A stream of server-sent events. A reader that is slower than its events misses some. */
function eventStream() {
  const utf8 = new TextEncoder();
  const cancelled = Promise.withResolvers<void>();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const readable = new ReadableStream<Uint8Array>({
    start: (started) => void (controller = started),
    cancel: () => cancelled.resolve(),
  }, new ByteLengthQueuingStrategy({ highWaterMark: STREAM_BYTES_MAX }));
  return {
    readable,
    /** Resolves when the reader leaves. */
    cancelled: cancelled.promise,
    send(event: string, data: unknown): void {
      if ((controller?.desiredSize ?? 0) <= 0) return;
      controller?.enqueue(utf8.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
    },
    close: () => controller?.close(),
  };
}
