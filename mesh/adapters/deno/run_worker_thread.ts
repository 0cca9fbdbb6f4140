/**
 * The body of a worker thread: waits for its orders, builds the node, links it, and composes the
 * actors' definitions.
 */
import { openTelemetryTracing } from "../opentelemetry/opentelemetry_tracing.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { reasonOf } from "../../runtime/errors.ts";
import { RecentSpans } from "../../runtime/recent_spans.ts";
import { Node } from "../../runtime/node.ts";
import { defineNodeActor, type NodeComposition } from "../../runtime/node_actor.ts";
import { NodeLink } from "../../runtime/node_link.ts";
import { present } from "../../../structures/invariant.ts";
import { RelayedLink } from "../tcp/relayed_link.ts";
import { enterBackground } from "../linux/thread_priority.ts";
import { DenoClock } from "./deno_clock.ts";
import { DenoRandom } from "./deno_random.ts";
import { PortLink } from "./port_link.ts";
import type { BeginWorker, WorkerCommand, WorkerReport } from "./worker_messages.ts";

/** The worker's node and the plain data that the starting thread sent for its composition. */
export interface WorkerThread<S> {
  readonly node: Node;
  readonly setup: S;
}

export interface WorkerComposition<S> {
  /** Makes this thread's instruments. Log lines go to the starting thread through `log`. */
  telemetry(log: Telemetry["log"]): Telemetry;
  /** Opens this thread's resources and says which actors it can make. */
  compose(thread: WorkerThread<S>): Promise<NodeComposition> | NodeComposition;
}

/** Called by a worker's entry module, once. */
export function runWorkerThread<S>(composition: WorkerComposition<S>): void {
  const scope = self as unknown as {
    onmessage: ((event: MessageEvent) => void) | null;
    postMessage(report: WorkerReport): void;
  };
  const report = (report: WorkerReport) => scope.postMessage(report);
  const links = new Map<string, PortLink>();
  let node: Node | undefined;
  scope.onmessage = async (event) => {
    const command = event.data as WorkerCommand;
    switch (command.type) {
      case "peerGone":
        links.get(command.name)?.fail(new Error(command.reason));
        return;
      case "begin":
        try {
          const made = node = makeNode(command, composition, report);
          command.peers.forEach((peer, i) => {
            const link = new PortLink(command.ports[i]);
            links.set(peer, link);
            new NodeLink(made, peer, link);
          });
          made.setPlacement(command.placement);
          const composed = await composition.compose({ node: made, setup: command.setup as S });
          await made.spawn(defineNodeActor(made, composed), command.name, undefined);
          report({ type: "ready" });
        } catch (error) {
          report({ type: "failed", reason: reasonOf(error) });
        }
        return;
      case "linkPeer": {
        const { peer, isBulk, port, limits } = command;
        const begun = present(node, "a worker is linked with other hosts after it has begun");
        new NodeLink(begun, peer, new RelayedLink(port, limits), { isBulk });
        return;
      }
      default:
        command satisfies never;
    }
  };
}

function makeNode<S>(
  { name, background }: BeginWorker,
  { telemetry }: WorkerComposition<S>,
  report: (report: WorkerReport) => void,
): Node {
  if (background) enterBackground();
  const [clock, random] = [new DenoClock(), new DenoRandom()];
  return new Node({
    name,
    clock,
    random,
    telemetry: telemetry((level, message, fields = {}) =>
      report({ type: "log", level, message, fields: plain(fields) })
    ),
    tracing: new RecentSpans({ clock, random, exporter: openTelemetryTracing() }),
    onFailure: (failure) =>
      report({ type: "failure", failure: { ...failure, error: reasonOf(failure.error) } }),
  });
}

/** Log fields as data that can be posted to another thread. */
function plain(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, plainValue(value)]),
  );
}

function plainValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainValue);
  return typeof value === "object" && value !== null ? String(value) : value;
}
