/**
 * The stream of the console's figures and entries. It needs a key where keys are configured.
 */
import { charts } from "../console/charts.ts";
import type { ConsoleSources } from "../console/sources.ts";
import { type Console, SAMPLE_MS, VIEWERS_MAX } from "../console/console.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import type { ReadyAnswer } from "../schemas/health.ts";

/** The newest requests and the mesh are sent this often, ms. */
const ACTIVITY_MS = 1_000;
/** Snapshots and examples put aside are sent this often, ms. */
const STORES_MS = 10_000;
/** Bytes of a viewer's stream that wait; a viewer that reads slower misses samples. */
const STREAM_BYTES_MAX = 4 * 2 ** 20;

const streamHeaders = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
};

/** The charts as the page gets them. */
function describedCharts({ validation }: ConsoleSources) {
  return charts.map(({ id, group, title, unit, help, awaits }) => ({
    id,
    group,
    title,
    unit,
    help,
    awaits: awaits?.(validation),
  }));
}

/** @param ready The answer of `/health/ready`; rejects with a problem while it is not ready. */
export function consoleStream(
  console: Console,
  { clock }: Pick<GatewayParts, "clock">,
  ready: () => Promise<ReadyAnswer>,
): Endpoint {
  const described = describedCharts(console.sources);
  return {
    method: "get",
    path: "/console/stream",
    operationId: "consoleStream",
    summary: "What the console shows, as server-sent events",
    tag: "Operations",
    guarded: true,
    answers: {
      200: {
        description:
          "`history` once, then `sample` every 5 s, `activity` and `mesh` every second, " +
          "and `stores` every 10 s.",
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
    let storesTimer = clock.schedule(0, sendStores);
    let ended = false;
    const end = () => {
      ended = true;
      timer.cancel();
      storesTimer.cancel();
      unsubscribe();
    };
    cancelled.then(end);
    send("history", { sampleMs: SAMPLE_MS, charts: described, series: console.history.read() });

    async function sendActivity(): Promise<void> {
      const [state, activity, mesh] = await Promise.all([
        ready().catch((error) => ({
          status: "not ready" as const,
          detail: error instanceof ProblemError ? error.detail : reasonOf(error),
        })),
        console.mergedActivity(),
        console.mesh(),
      ]);
      if (ended) return;
      send("activity", { atMs: clock.nowMs(), state, ...activity });
      send("mesh", { atMs: clock.nowMs(), ...mesh });
      timer = clock.schedule(ACTIVITY_MS, sendActivity);
    }

    async function sendStores(): Promise<void> {
      const stores = await console.stores();
      if (ended) return;
      send("stores", stores);
      storesTimer = clock.schedule(STORES_MS, sendStores);
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
