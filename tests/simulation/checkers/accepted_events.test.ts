import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { encodeEvent } from "../../../records/event_record.ts";
import { acceptedEvents } from "../../../simulation/checkers/accepted_events.ts";
import { shopConfiguration } from "../../../simulation/scenarios/shop.ts";

/** A checker where gateways remember 7 of 8 events, and the promises that it has seen broken. */
function watch(idsRetainedMs?: number) {
  const clock = { nowMs: 0 };
  const failures: string[] = [];
  const parsed = parseConfiguration(shopConfiguration, "shop.yaml");
  const configuration = { ...parsed, gateway: { ...parsed.gateway, eventsRememberedMax: 8 } };
  const context = {
    nowMs: () => clock.nowMs,
    fail: (message: string) => void failures.push(message),
  };
  const checker = acceptedEvents(() => configuration, idsRetainedMs)(context);
  return {
    failures,
    clock,
    logs(eventId: string, acceptedAtMs: number) {
      const record = encodeEvent({
        kind: "action",
        eventId,
        rankingId: "r",
        item: "i",
        action: "click",
        atMs: 0,
        acceptedAtMs,
      });
      checker.durable?.("events", 0, [record], 0);
    },
  };
}

Deno.test("an event may come twice after as many newer ones as a gateway remembers", () => {
  for (const [newer, broken] of [[6, 1], [7, 0]]) {
    const { failures, logs } = watch();
    logs("a", 1);
    for (let i = 0; i < newer; i++) logs(`b${i}`, 2 + i);
    logs("a", 20);
    assert.equal(failures.length, broken, `${newer} newer events`);
  }
});

Deno.test("an event that was accepted later is newer, although it was durable before", () => {
  for (const [later, broken] of [[2, 1], [3, 0]]) {
    const { failures, logs } = watch();
    logs("earlier", 1);
    for (let i = 0; i < later; i++) logs(`later${i}`, 20 + i);
    logs("a", 10);
    for (let i = 0; i < 4; i++) logs(`b${i}`, 40 + i);
    logs("a", 60);
    assert.equal(failures.length, broken, `${later} events that were accepted later`);
  }
});

Deno.test("in a mesh, an event may come twice after the time for which Redis retains its id", () => {
  for (const [apartMs, broken] of [[499, 1], [500, 0]]) {
    const { failures, clock, logs } = watch(500);
    logs("a", 1);
    for (let i = 0; i < 9; i++) logs(`b${i}`, 2 + i);
    clock.nowMs = apartMs;
    logs("a", 20);
    assert.equal(failures.length, broken, `${apartMs} ms apart`);
  }
});
