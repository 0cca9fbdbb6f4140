/**
 * A node's counters of messages, by actor, and its pending asks, as metrics.
 */
import type { Address } from "../mesh/runtime/actor.ts";
import type { Node } from "../mesh/runtime/node.ts";
import type { MetricsPages } from "./environment.ts";

/**
 * The snapshot of a node's instruments, its counters of messages included. These are read when the
 * snapshot is taken, so that handling a message costs no metric.
 *
 * @param metrics `snapshot` takes the snapshot of `node.telemetry`.
 */
export function nodeMetrics(
  node: Node,
  metrics: Pick<MetricsPages, "snapshot">,
): () => Promise<unknown> {
  const { telemetry } = node;
  const labelNames = ["actor"];
  const waiting = telemetry.gauge("cairn_actor_messages_waiting", {
    help: "Messages in the actor's mailbox.",
    labelNames,
  });
  const counts = {
    handled: telemetry.counter("cairn_actor_messages_handled_total", {
      help: "Messages handled.",
      labelNames,
    }),
    dropped: telemetry.counter("cairn_actor_messages_dropped_total", {
      help: "Told messages that found the mailbox full.",
      labelNames,
    }),
    rejected: telemetry.counter("cairn_actor_asks_rejected_total", {
      help: "Asks refused because the mailbox was full.",
      labelNames,
    }),
    expired: telemetry.counter("cairn_actor_asks_expired_total", {
      help: "Asks whose budget ran out while they waited.",
      labelNames,
    }),
    cancelled: telemetry.counter("cairn_actor_asks_cancelled_total", {
      help: "Asks that were given up before their deadline while they waited, and not handled.",
      labelNames,
    }),
    restarts: telemetry.counter("cairn_actor_restarts_total", {
      help: "Restarts after a crash.",
      labelNames,
    }),
  };
  const pending = telemetry.gauge("cairn_actor_asks_pending", {
    help: "Asks of this process without an answer yet, by the kind of actor that is asked.",
    labelNames: ["kind"],
  });
  const deadLetters = telemetry.counter("cairn_node_dead_letters_total", {
    help: "Told messages whose receiver did not exist or could not be reached.",
  });
  const seen = new Map<string, number>();
  const actors = new Set<Address>();
  const kindsAsked = new Set<string>();
  let deadLettersSeen = 0;
  return async () => {
    for (const statistics of node.statistics()) {
      const { address } = statistics;
      const labels = { actor: address };
      if (!actors.has(address)) {
        actors.add(address);
        waiting.watch(() => node.queued(address), labels); // none after the actor's end
      }
      for (const name of Object.keys(counts) as (keyof typeof counts)[]) {
        const key = `${name} ${address}`;
        const more = statistics[name] - (seen.get(key) ?? 0);
        seen.set(key, statistics[name]);
        if (more >= 0) counts[name].add(more, labels);
      }
    }
    const asks = node.pendingAsks();
    for (const kind of asks.keys()) kindsAsked.add(kind);
    for (const kind of kindsAsked) pending.set(asks.get(kind) ?? 0, { kind });
    deadLetters.add(node.deadLetters - deadLettersSeen);
    deadLettersSeen = node.deadLetters;
    return await metrics.snapshot();
  };
}
