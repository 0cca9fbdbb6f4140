/**
 * The simulated disk.
 */
import assert from "node:assert/strict";
import { LogFullError, LogUnavailableError } from "../../mesh/ports/event_log.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { KeyedHash } from "../../simulation/keyed_hash.ts";
import { LogMedium } from "../../simulation/world/log_medium.ts";
import { NodeClock } from "../../simulation/world/node_clock.ts";
import { WorldLog, WorldLogHub } from "../../simulation/world/world_log.ts";

const record = Uint8Array.of(1, 2, 3);

function start(bytesMax = 1_000) {
  const base = new VirtualClock();
  const medium = new LogMedium("events", 1, bytesMax, {});
  const open = () => {
    const clock = new NodeClock(base, () => {});
    const latency = new KeyedHash(1, "disk");
    const log = new WorldLog(new WorldLogHub(medium), clock, {
      latency,
      syncMs: 10,
      extraMs: () => 0,
    });
    return { clock, log };
  };
  return { base, medium, open };
}

Deno.test("a record is read once it is synced, and its append resolves then", async () => {
  const { base, open } = start();
  const { log } = open();
  const appended = log.append(0, [record, record]);
  assert.deepEqual(await log.read(0, 0, 10), []);
  assert.equal(await base.settle(appended), 0);
  assert.equal((await log.read(0, 0, 10)).length, 2);
  assert.equal(await log.endOffset(0), 2);
});

Deno.test("what was written survives the process, and a power failure keeps a prefix of it", async () => {
  for (const power of [false, true]) {
    const { medium, open } = start();
    const { clock, log } = open();
    for (let i = 0; i < 20; i++) log.append(0, [record], "written");
    clock.revoke();
    medium.crash(power ? new KeyedHash(3, "unsynced") : undefined, 0);
    const kept = await open().log.endOffset(0);
    if (power) assert.ok(kept < 20, String(kept));
    else assert.equal(kept, 20);
  }
});

Deno.test("a dead process gets no answer and changes nothing", async () => {
  const { base, medium, open } = start();
  const { clock, log } = open();
  let answered = false;
  log.append(0, [record]).then(() => answered = true);
  clock.revoke();
  log.trim(0, 1).then(() => answered = true);
  await base.advance(1_000);
  assert.ok(!answered);
  assert.equal(medium.partition(0).durable, 0);
});

Deno.test("a full log and a full disk refuse by different errors, and take appends again", async () => {
  const { base, medium, open } = start(10);
  const { log } = open();
  await base.settle(log.append(0, [record, record, record]));
  await assert.rejects(log.append(0, [record]), LogFullError);
  await base.settle(log.trim(0, 2));
  await base.settle(log.append(0, [record]));
  medium.refusedUntilMs = base.monotonicMs() + 100;
  await assert.rejects(log.append(0, [record]), LogUnavailableError);
  await base.advance(100);
  await base.settle(log.append(0, [record]));
  assert.equal(log.refusal(), undefined);
});

Deno.test("a stalled thread's callbacks wait, in order, and a revoked one's never run", async () => {
  const { base, open } = start();
  const { clock } = open();
  const ran: string[] = [];
  clock.stall(100);
  clock.schedule(10, () => ran.push("a"));
  clock.schedule(20, () => ran.push("b")).cancel();
  clock.schedule(30, () => ran.push("c"));
  await base.advance(99);
  assert.equal(ran.length, 0);
  await base.advance(2);
  assert.deepEqual(ran, ["a", "c"] as string[]);
  clock.schedule(10, () => ran.push("d"));
  clock.revoke();
  await base.advance(100);
  assert.deepEqual(ran, ["a", "c"] as string[]);
});
