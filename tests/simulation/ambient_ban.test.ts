/**
 * A simulated run has no clock, timers, randomness, network and files of the machine.
 */
import assert from "node:assert/strict";
import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import type { Request } from "../../mesh/runtime/actor.ts";
import { AmbientAccessError, banAmbient } from "../../simulation/ambient_ban.ts";
import { simulate } from "../../simulation/mod.ts";

const uses: Readonly<Record<string, () => unknown>> = {
  "Date.now": () => Date.now(),
  "new Date()": () => new Date(),
  "Date()": () => Date(),
  "performance.now": () => performance.now(),
  "Math.random": () => Math.random(),
  "crypto.randomUUID": () => crypto.randomUUID(),
  "crypto.getRandomValues": () => crypto.getRandomValues(new Uint8Array(1)),
  "setTimeout": () => setTimeout(() => {}),
  "setInterval": () => setInterval(() => {}),
  "setImmediate": () => setImmediate(() => {}),
  "AbortSignal.timeout": () => AbortSignal.timeout(1),
  "Atomics.waitAsync": () => Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  "fetch": () => fetch("http://localhost"),
  "Worker": () => new Worker("data:text/javascript,"),
  "WebSocket": () => new WebSocket("ws://localhost"),
  "Deno.readTextFile": () => Deno.readTextFile("deno.json"),
  "Deno.openSync": () => Deno.openSync("deno.json"),
  "Deno.connect": () => Deno.connect({ port: 1 }),
  "Deno.Command": () => new Deno.Command("true"),
  "Deno.env": () => Deno.env.get("HOME"),
  "Deno.pid": () => Deno.pid,
};

Deno.test("what a ban takes away throws, names itself, and comes back", () => {
  const before = Object.getOwnPropertyDescriptors(Deno);
  const { setTimeout: timeout, Date: date, fetch: fetching } = globalThis;
  for (const [api, use] of Object.entries(uses)) {
    using ban = banAmbient();
    assert.throws(use, (error) => error instanceof AmbientAccessError && error.api === api, api);
    assert.equal(ban.violation?.api, api);
  }
  assert.deepEqual(Object.getOwnPropertyDescriptors(Deno), before);
  assert.equal(globalThis.setTimeout, timeout);
  assert.equal(globalThis.Date, date);
  assert.equal(globalThis.fetch, fetching);
  assert.equal(typeof performance.now(), "number");
  assert.equal(Object.hasOwn(performance, "now"), false);
});

Deno.test("dates of a given time stay, and instances of Date are such", () => {
  const real = new Date(7);
  using _ = banAmbient();
  assert.equal(new Date(0).toISOString(), "1970-01-01T00:00:00.000Z");
  assert.equal(Date.UTC(2026, 0), 1_767_225_600_000);
  assert.ok(new Date(0) instanceof Date && real instanceof Date);
});

Deno.test("bans overlap: the machine comes back with the end of the last", () => {
  const first = banAmbient();
  const second = banAmbient();
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.throws(() => Math.random(), AmbientAccessError);
  assert.equal(first.violation, undefined);
  second[Symbol.dispose]();
  assert.equal(typeof Math.random(), "number");
});

interface Roll extends Request<number> {
  readonly kind: "roll";
}

const dice = (roll: () => number): ActorDefinition<Roll, undefined> => ({
  kind: "dice",
  mailbox: { capacity: 8, overflow: "reject" },
  restart: { restartsMax: 100, periodMs: 60_000, backoffMs: 10, backoffMsMax: 100 },
  priorityOf: () => "read",
  create: (context) => ({ receive: (message) => context.reply(message, roll()) }),
});

Deno.test("an actor that draws its own randomness fails the run, although it is restarted", async () => {
  const { failure } = await simulate({
    mesh: { definitions: [dice(() => Math.random())], actors: [{ address: "dice/0" }] },
    forMs: 1_000,
    async workload(world) {
      while (world.running) {
        await world.actor<Roll>("dice/0").ask({ kind: "roll" }, { budgetMs: 10 }).catch(() => {});
        await world.sleep(10);
      }
    },
  });
  assert.equal(failure?.checker, "determinism");
  assert.match(
    failure?.message ?? "",
    /Math\.random was used in a simulated run[^]*ambient_ban\.test/,
  );
});
