/**
 * The gauges of an actor, on the page of its process.
 */
import assert from "node:assert/strict";
import {
  PrometheusTelemetry,
  renderMetrics,
} from "../../../mesh/adapters/prometheus/prometheus_telemetry.ts";
import { Node } from "../../../mesh/runtime/node.ts";
import type { ActorDefinition, Request } from "../../../mesh/runtime/actor.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { nodeMetrics } from "../../../server/node_metrics.ts";

interface Show extends Request<void> {
  readonly kind: "show";
  readonly level: number;
}

interface Crash {
  readonly kind: "crash";
}

/** Shows a level of its own, and its part of one that all tanks share. */
const tank: ActorDefinition<Show | Crash, { readonly name: string }> = {
  kind: "tank",
  mailbox: { capacity: 8, overflow: "reject" },
  restart: { restartsMax: 3, periodMs: 1_000, backoffMs: 10, backoffMsMax: 10 },
  priorityOf: () => "read",
  create(context, { name }) {
    const { telemetry } = context;
    const level = telemetry.gauge("tank_level", { help: "Level.", labelNames: ["tank"] });
    const shown = telemetry.counter("tank_shown_total", { help: "Times.", labelNames: ["tank"] });
    return {
      receive(message) {
        if (message.kind === "crash") throw new Error("asked to crash");
        shown.add(1, { tank: name });
        level.set(message.level, { tank: name });
        level.set(message.level, { tank: "all" });
        context.reply(message, undefined);
      },
    };
  },
};

/** A node with the page of its metrics. */
function nodeWithPage() {
  const clock = new VirtualClock();
  const telemetry = new PrometheusTelemetry({ logLevelMin: "error", writeLog: () => {} });
  const node = new Node({ name: "main", clock, random: new SeededRandom(1), telemetry });
  const snapshot = nodeMetrics(node, telemetry);
  return {
    clock,
    node,
    /** The values of these metrics, by their labels. */
    async values(metric: string): Promise<Record<string, number>> {
      const page = await renderMetrics([await snapshot() as never]);
      return Object.fromEntries(
        page.split("\n").filter((line) => line.startsWith(`${metric}{`)).map((line) => {
          const [, label, value] = line.match(/="(.*)"} (.*)/) ?? [];
          return [label, Number(value)];
        }),
      );
    },
  };
}

Deno.test("a gauge ends with its actor, and leaves what another actor shows by the same labels", async () => {
  const { clock, node, values } = nodeWithPage();
  const show = async (name: string, level: number) => {
    const actor = node.actorRef<Show>(`tank/${name}`);
    await clock.settle(actor.ask({ kind: "show", level }, { budgetMs: 100 }), 100);
  };
  await node.spawn(tank, "a", { name: "a" });
  await node.spawn(tank, "b", { name: "b" });
  await show("a", 3);
  await show("b", 5);
  assert.deepEqual(await values("tank_level"), { a: 3, all: 8, b: 5 });

  await clock.settle(node.stopActor("tank/b", 0), 100);
  assert.deepEqual(await values("tank_level"), { a: 3, all: 3 });
  assert.deepEqual(await values("tank_shown_total"), { a: 1, b: 1 }, "a count stays");
  assert.deepEqual(await values("cairn_actor_messages_waiting"), { "tank/a": 0 });

  await node.spawn(tank, "b", { name: "b" });
  await show("b", 7);
  assert.equal((await values("tank_level")).b, 7);
});

Deno.test("a gauge keeps its value while its actor restarts", async () => {
  const { clock, node, values } = nodeWithPage();
  const actor = await node.spawn(tank, "a", { name: "a" });
  await clock.settle(actor.ask({ kind: "show", level: 3 }, { budgetMs: 100 }), 100);
  actor.tell({ kind: "crash" });
  await clock.advance(5);
  assert.equal((await values("tank_level")).a, 3);
  await clock.advance(20);
  await clock.settle(actor.ask({ kind: "show", level: 4 }, { budgetMs: 100 }), 100);
  assert.equal((await values("tank_level")).a, 4);
});
