/**
 * The HTTP pages of a host that does not serve: health and metrics.
 */
import type { HostSnapshotFailure } from "../mesh/ports/snapshot_failure.ts";
import type { HostEnvironment } from "./environment.ts";
import type { UnplacedPart } from "./unplaced_parts.ts";

type Fetch = (request: Request) => Promise<Response>;

/** Answers `/health/live`, `/health/ready` and `/metrics`. */
export function hostPages(
  environment: Pick<HostEnvironment, "host" | "links" | "failingParts">,
  { metricsText, unplacedParts, leaseEnd, snapshotFailures }: {
    readonly metricsText: () => Promise<string>;
    /** The parts of the mesh that cannot be placed on their hosts. Default: none. */
    readonly unplacedParts?: (() => readonly UnplacedPart[]) | undefined;
    /** The warning that the host cannot renew its lease. Default: it can. */
    readonly leaseEnd?: (() => string | undefined) | undefined;
    /** The failures of the last attempts to take a snapshot. Default: none. */
    readonly snapshotFailures?: (() => readonly HostSnapshotFailure[]) | undefined;
  },
): Fetch {
  const { host } = environment;
  const pages: Readonly<Record<string, () => Response | Promise<Response>>> = {
    "/health/live": () => Response.json({ status: "live", host }),
    "/health/ready": () =>
      Response.json({
        status: "ready",
        host,
        links: environment.links(),
        failingParts: environment.failingParts?.() ?? [],
        unplacedParts: unplacedParts?.() ?? [],
        leaseEnd: leaseEnd?.(),
        snapshotFailures: snapshotFailures?.() ?? [],
      }),
    "/metrics": async () =>
      new Response(await metricsText(), {
        headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
      }),
  };
  return async ({ method, url }) => {
    const { pathname } = new URL(url);
    const page = Object.hasOwn(pages, pathname) ? pages[pathname] : undefined;
    if (page !== undefined && method === "GET") return await page();
    return problem(
      404,
      `Host ${host} does not serve the API; it has GET ${Object.keys(pages).join(", ")}.`,
    );
  };
}

function problem(status: number, detail: string): Response {
  return new Response(JSON.stringify({ type: "about:blank", status, detail }), {
    status,
    headers: { "content-type": "application/problem+json" },
  });
}
