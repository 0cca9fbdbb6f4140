/**
 * Asks that cross two threads' link, and prints how many bytes of each have become old although it
 * was answered. Run with `--v8-flags=--expose-gc`; see retention.test.ts.
 */
import { DenoClock } from "../../../mesh/adapters/deno/deno_clock.ts";
import { PortLink } from "../../../mesh/adapters/deno/port_link.ts";
import type { ActorContext, ActorDefinition, Request } from "../../../mesh/runtime/actor.ts";
import { Node } from "../../../mesh/runtime/node.ts";
import { NodeLink } from "../../../mesh/runtime/node_link.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";

declare const gc: (options: { type: "minor" | "major" }) => void;

interface Weigh extends Request<number> {
  readonly kind: "weigh";
  readonly items: readonly { readonly weight: number }[];
}

/** Answers in a later turn, so that each request is kept meanwhile. */
const scale: ActorDefinition<Weigh, undefined> = {
  kind: "scale",
  mailbox: { capacity: 100, overflow: "reject" },
  restart: { restartsMax: 0, periodMs: 1, backoffMs: 1, backoffMsMax: 1 },
  priorityOf: () => "read",
  create: (context: ActorContext<Weigh>) => ({
    receive(message) {
      queueMicrotask(() => context.reply(message, message.items.length));
    },
  }),
};

const node = (name: string) =>
  new Node({
    name,
    clock: new DenoClock(),
    random: new SeededRandom(1),
    telemetry: new TelemetryRecorder(),
  });
const home = node("home");
const away = node("away");
const { port1, port2 } = new MessageChannel();
new NodeLink(home, "away", new PortLink(port1));
new NodeLink(away, "home", new PortLink(port2));
home.setPlacement([["scale/0", "away"]]);
await away.spawn(scale, 0, undefined);
const ref = home.actorRef<Weigh>("scale/0");

const ASKS = 4_000;
const ITEMS = 100;
const UNDER_WAY = 5;

/** Several at a time, as they come; a young collection now and then. */
async function ask(asks: number): Promise<void> {
  const underWay: Promise<number>[] = [];
  for (let i = 0; i < asks; i++) {
    const items = Array.from({ length: ITEMS }, (_, weight) => ({ weight }));
    underWay.push(ref.ask({ kind: "weigh", items }, { budgetMs: 60_000 }));
    if (underWay.length >= UNDER_WAY) await underWay.shift();
    if (i % 100 === 0) gc({ type: "minor" });
  }
  await Promise.all(underWay);
}

await ask(ASKS); // memory that grows once has grown
gc({ type: "major" }); // and is old
const before = Deno.memoryUsage().heapUsed;
await ask(ASKS);
gc({ type: "minor" });
gc({ type: "minor" });
console.log(Math.round((Deno.memoryUsage().heapUsed - before) / ASKS));
await home.stop();
await away.stop();
