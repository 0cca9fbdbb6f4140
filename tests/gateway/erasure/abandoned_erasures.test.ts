/**
 * Erasures of gateways whose hosts are gone.
 */
import assert from "node:assert/strict";
import { AbandonedErasures } from "../../../gateway/erasure/abandoned_erasures.ts";
import { Erasures } from "../../../gateway/erasure/erasures.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { readErasureRequest, writeErasureRequest } from "../../../records/erasure.ts";
import { decodeEvent } from "../../../records/event_record.ts";
import { erasureFixture } from "../erasure_fixture.ts";

/** Two gateways of a mesh, the first of which has taken an erasure of "ann" and is gone then. */
async function abandoned() {
  const serving = ["one", "three", "two"];
  const hostsServing = () => Promise.resolve(serving);
  const one = await erasureFixture({ host: "one", hostsServing });
  const gateway = (host: string | undefined, seed: number) =>
    new Erasures({ ...one, random: new SeededRandom(seed), ...(host && { host }) });
  const { request: { erasureId } } = await one.erasures.erase("ann");
  /** Erasure and pass of each record that erases. */
  const passes = async () => {
    const records = await one.eventLog.read(0, 0, 1_000);
    return records.map(({ bytes }) => decodeEvent(bytes)).flatMap((record) =>
      record.kind === "forget" ? [`${record.erasureId} ${record.pass}`] : []
    );
  };
  const leave = (host: string) => serving.splice(serving.indexOf(host), 1);
  return { ...one, serving, gateway, erasureId, passes, leave };
}

Deno.test("a gateway takes over the erasure of a host that is gone, and the host leaves it when it is back", async () => {
  const { erasures, gateway, erasureId, passes, leave, pass, blobs, serving, telemetry } =
    await abandoned();
  await erasures.stop();
  leave("one");
  const [three, two] = [gateway("three", 5), gateway("two", 6)];
  await three.start();
  await two.start();
  await pass(15);
  assert.deepEqual(await passes(), [`${erasureId} 1`], "the host may be about to restart");
  await pass(20);
  const request = await readErasureRequest(blobs, erasureId);
  const later = request?.continuedBy;
  assert.equal(request?.host, "three");
  assert.deepEqual(await passes(), [`${erasureId} 1`, `${later} 1`, `${later} 2`]);
  assert.equal((await two.read(erasureId))?.request.secondAt?.length, 2);
  const taken = telemetry.lines.filter(({ message }) =>
    message.includes("was taken over from one")
  );
  assert.equal(taken.length, 1);

  serving.push("one");
  const back = gateway("one", 7);
  await back.start();
  await pass(30);
  assert.equal((await passes()).length, 3);
  for (const each of [three, two, back]) await each.stop();
});

Deno.test("a host that comes back while its erasure is taken over leaves the second pass as well", async () => {
  const { erasures, gateway, erasureId, passes, leave, pass, blobs } = await abandoned();
  await erasures.stop();
  const before = await readErasureRequest(blobs, erasureId);
  leave("one");
  const three = gateway("three", 5);
  await three.start();
  await pass(35);
  const { length } = await passes();
  // It had read the request before the other gateway wrote it.
  await blobs.put(
    `erasures/${erasureId}/request.json`,
    new TextEncoder().encode(JSON.stringify(before)),
  );
  const back = gateway("one", 7);
  await back.start();
  await pass(10);
  assert.equal((await passes()).length, length);
  assert.notEqual((await readErasureRequest(blobs, erasureId))?.continuedBy, undefined);
  await three.stop();
  await back.stop();
});

Deno.test("an erasure that has passed the log twice is gone on with as it is", async () => {
  const { erasures, gateway, erasureId, passes, leave, pass, blobs, learn, feed, ...parts } =
    await abandoned();
  await pass(4);
  await erasures.stop();
  leave("one");
  const three = gateway("three", 5);
  await three.start();
  for (const which of [1, 2] as const) await learn(erasureId, which);
  await pass(35);
  feed.roundsComplete += 4;
  for (const partition of [0, 1]) await parts.eventLog.trim(partition, 2);
  await parts.exampleLog.trim(0, 2);
  await pass(10);
  assert.deepEqual((await passes()).length, 0);
  const request = await readErasureRequest(blobs, erasureId);
  assert.equal(request?.continuedBy, undefined);
  assert.ok(request?.completedAtMs !== undefined);
  await three.stop();
});

Deno.test("a release keeps the record of another gateway's erasure, whose host may be gone", async () => {
  const { erasures, gateway, erasureId, leave, pass, blobs, learn, feed, eventLog } =
    await abandoned();
  await erasures.stop();
  const three = gateway("three", 5);
  await three.start();
  const { request } = await three.erase("bob");
  await pass(4);
  for (const which of [1, 2] as const) await learn(request.erasureId, which);
  await pass(1);
  feed.roundsComplete += 4;
  await pass(6);
  const records = (await eventLog.read(0, 0, 100)).map(({ bytes }) => decodeEvent(bytes));
  const release = records.find((record) => record.kind === "release");
  assert.deepEqual(release?.retainedFrom, (await readErasureRequest(blobs, erasureId))?.firstAt);
  leave("one");
  await pass(40);
  assert.notEqual((await readErasureRequest(blobs, erasureId))?.continuedBy, undefined);
  await three.stop();
});

Deno.test("an erasure that is taken over after its record was trimmed is logged, and holds no log", async () => {
  const { erasures, gateway, erasureId, passes, leave, pass, eventLog, telemetry } =
    await abandoned();
  await erasures.stop();
  for (const partition of [0, 1]) await eventLog.trim(partition, 1);
  leave("one");
  const three = gateway("three", 5);
  await three.start();
  await pass(60);
  assert.deepEqual(await passes(), []);
  const lines = telemetry.lines.filter(({ message }) => message.includes("cannot be finished"));
  assert.equal(lines.length, 1);
  assert.ok(lines[0].message.includes(erasureId));
  await three.stop();
});

Deno.test("one process goes on with the erasures of the hosts before it, and a mesh with those of one process", async () => {
  const first = await abandoned();
  await first.erasures.stop();
  const { hostsServing: _, host: __, ...alone } = first;
  const process = new Erasures({ ...alone, random: new SeededRandom(5) });
  await process.start();
  await first.pass(5);
  assert.deepEqual(await first.passes(), [`${first.erasureId} 1`, `${first.erasureId} 2`]);
  const { request } = await process.erase("bob");
  await process.stop();
  const three = first.gateway("three", 6);
  first.leave("one");
  await three.start();
  await first.pass(40);
  const taken = await readErasureRequest(first.blobs, request.erasureId);
  assert.equal(taken?.host, "three");
  assert.notEqual(taken?.continuedBy, undefined);
  await three.stop();
});

Deno.test("a gateway that cannot learn which hosts serve goes on with its own erasures, and looks again", async () => {
  const { erasures, gateway, erasureId, leave, pass, blobs, telemetry, ...parts } =
    await abandoned();
  await erasures.stop();
  leave("one");
  let isAway = true;
  const three = new Erasures({
    ...parts,
    ...{ blobs, telemetry, random: new SeededRandom(5), host: "three" },
    hostsServing: () =>
      isAway ? Promise.reject(new Error("Redis is away")) : Promise.resolve(["three"]),
  });
  await three.start();
  const { request } = await three.erase("bob");
  await pass(45);
  assert.equal((await readErasureRequest(blobs, request.erasureId))?.secondAt?.length, 2);
  const told = telemetry.lines.filter(({ message }) =>
    /of other hosts wait: .*Redis/.test(message)
  );
  assert.equal(told.length, 1, "the reason is told once");
  isAway = false;
  await pass(45);
  assert.equal((await readErasureRequest(blobs, erasureId))?.host, "three");
  void gateway;
  await three.stop();
});

Deno.test("a host that stood still on its way to the second pass leaves it to the gateway that took over", async () => {
  const { erasures, gateway, erasureId, passes, leave, pass, ...one } = await abandoned();
  await erasures.stop();
  const paused = Promise.withResolvers<void>();
  const zombie = new Erasures({
    ...one,
    ...{ random: new SeededRandom(8), host: "one" },
    forgetElsewhere: () => paused.promise,
  });
  await zombie.start();
  await pass(5);
  assert.deepEqual(await passes(), [`${erasureId} 1`]);
  leave("one");
  const three = gateway("three", 5);
  await three.start();
  await pass(40);
  const { length } = await passes();
  assert.equal(length, 3, "the other gateway has made both passes");
  paused.resolve();
  await pass(5);
  assert.equal((await passes()).length, length);
  assert.notEqual((await readErasureRequest(one.blobs, erasureId))?.continuedBy, undefined);
  await zombie.stop();
  await three.stop();
});

Deno.test("a complete receipt is read once, also where a look fails in between", async () => {
  const { erasureId, ...one } = await abandoned();
  const { blobs, erasures } = one;
  await erasures.stop();
  const request = await readErasureRequest(blobs, erasureId);
  assert.ok(request);
  await writeErasureRequest(blobs, { ...request, completedAtMs: 1 });
  const get = blobs.get.bind(blobs);
  let reads = 0;
  blobs.get = (name) => {
    reads++;
    return get(name);
  };
  const list = blobs.list.bind(blobs);
  const others = new AbandonedErasures({ ...one, host: "two" });
  assert.deepEqual(await others.others(), []);
  blobs.list = () => Promise.reject(new Error("the store is away"));
  await assert.rejects(others.others());
  blobs.list = list;
  assert.deepEqual(await others.others(), []);
  assert.equal(reads, 1);
});

Deno.test("a release keeps the records of erasures that another gateway begins while it is prepared", async () => {
  const { erasures, gateway, pass, blobs, learn, feed, eventLog } = await abandoned();
  await pass(4);
  await erasures.stop();
  const [two, three] = [gateway("two", 5), gateway("three", 6)];
  await three.start();
  const { request } = await three.erase("bob");
  await pass(4);
  for (const which of [1, 2] as const) await learn(request.erasureId, which);
  await pass(1);
  feed.roundsComplete += 4;
  const list = blobs.list.bind(blobs);
  let begun = 0;
  blobs.list = async (prefix) => {
    const names = await list(prefix);
    if (prefix === "erasures/") await two.erase(`late-${begun++}`);
    return names;
  };
  await pass(7);
  const records = (await eventLog.read(0, 0, 100)).map(({ bytes }) => decodeEvent(bytes));
  const at = records.findIndex(({ kind }) => kind === "release");
  const release = records[at];
  assert.ok(release.kind === "release");
  const late = records.findIndex((record) => record.kind === "forget" && /^late/.test(record.user));
  assert.ok(begun > 0 && late < at);
  assert.ok((release.retainedFrom?.[0] ?? at) <= late);
  await three.stop();
});
