/**
 * The Telemetry port on prom-client, and the merge of several threads' metrics.
 */
import assert from "node:assert/strict";
import {
  jsonLine,
  type LogLine,
  terminalLine,
} from "../../../../mesh/adapters/prometheus/log_lines.ts";
import { registerLogMetrics } from "../../../../mesh/adapters/prometheus/log_metrics.ts";
import { registerProcessMetrics } from "../../../../mesh/adapters/prometheus/process_metrics.ts";
import {
  PrometheusTelemetry,
  renderMetrics,
} from "../../../../mesh/adapters/prometheus/prometheus_telemetry.ts";

import { MemoryEventLog } from "../../../../mesh/adapters/memory/memory_event_log.ts";

function telemetryWithLines() {
  const lines: LogLine[] = [];
  const telemetry = new PrometheusTelemetry({
    logLevelMin: "info",
    writeLog: (line) => lines.push(line),
  });
  return { telemetry, lines };
}

Deno.test("snapshots of two threads merge into one page: sums by name and labels", async () => {
  const threads = [1, 2].map((thread) => {
    const { telemetry } = telemetryWithLines();
    telemetry.counter("events_total", { help: "Events.", labelNames: ["status"] })
      .add(10 * thread, { status: "accepted" });
    telemetry.gauge("rows", { help: "Rows.", labelNames: ["shard"] })
      .set(thread, { shard: String(thread) });
    const took = telemetry.histogram("took_seconds", { help: "Time.", buckets: [0.1, 1] });
    took.record(0.05);
    took.record(0.5 * thread);
    return telemetry;
  });
  const snapshots = await Promise.all(
    threads.map(async (telemetry) => structuredClone(await telemetry.snapshot())),
  );
  const text = await renderMetrics(snapshots);
  for (
    const line of [
      "# HELP events_total Events.",
      "# TYPE events_total counter",
      'events_total{status="accepted"} 30',
      'rows{shard="1"} 1',
      'rows{shard="2"} 2',
      'took_seconds_bucket{le="0.1"} 2',
      'took_seconds_bucket{le="1"} 4',
      'took_seconds_bucket{le="+Inf"} 4',
      "took_seconds_sum 1.6",
      "took_seconds_count 4",
    ]
  ) assert.ok(text.split("\n").includes(line), `${line} is not in\n${text}`);
});

Deno.test("a watched gauge is read with the page, and is not there without a value", async () => {
  const { telemetry } = telemetryWithLines();
  const gauge = telemetry.gauge("unread", { help: "Unread.", labelNames: ["actor"] });
  let unread: number | undefined = 3;
  const end = gauge.watch(() => unread, { actor: "joiner/0" });
  gauge.watch(() => 7, { actor: "joiner/1" });
  const page = async () =>
    (await renderMetrics([structuredClone(await telemetry.snapshot())])).split("\n")
      .filter((line) => line.startsWith("unread"));
  assert.deepEqual(await page(), ['unread{actor="joiner/0"} 3', 'unread{actor="joiner/1"} 7']);
  unread = undefined;
  assert.deepEqual(await page(), ['unread{actor="joiner/1"} 7']);
  unread = 4;
  assert.deepEqual(await page(), ['unread{actor="joiner/1"} 7', 'unread{actor="joiner/0"} 4']);
  end();
  end();
  assert.deepEqual(await page(), ['unread{actor="joiner/1"} 7']);
});

Deno.test("values of a gauge by the same labels are added, as those of two threads are", async () => {
  const { telemetry } = telemetryWithLines();
  const gauge = telemetry.gauge("rows", { help: "Rows.", labelNames: ["shard", "class"] });
  let second: number | undefined = 5;
  const end = gauge.watch(() => 3, { shard: "1", class: "0" });
  gauge.watch(() => second, { class: "0", shard: "1" });
  const page = async () =>
    (await renderMetrics([await telemetry.snapshot()])).match(/^rows\{.*\} (.*)$/m)?.[1];
  assert.equal(await page(), "8");
  second = undefined;
  assert.equal(await page(), "3");
  second = 7;
  end();
  assert.equal(await page(), "7");
});

Deno.test("the logs say how full they are and whether they refuse, at the time of asking", async () => {
  const { telemetry } = telemetryWithLines();
  const examples = new MemoryEventLog({ partitions: 1, bytesMax: 10 });
  registerLogMetrics(telemetry, {
    events: new MemoryEventLog({ partitions: 1, bytesMax: 20 }),
    examples,
  });
  const page = async () => (await renderMetrics([await telemetry.snapshot()])).split("\n");
  assert.ok((await page()).includes('cairn_log_refusing{log="examples"} 0'));
  await examples.append(0, [new Uint8Array(8)]);
  await examples.append(0, [new Uint8Array(8)]).catch(() => {});
  const lines = await page();
  for (
    const line of [
      'cairn_log_bytes{log="events"} 0',
      'cairn_log_bytes{log="examples"} 8',
      'cairn_log_bytes_max{log="events"} 20',
      'cairn_log_bytes_max{log="examples"} 10',
      'cairn_log_refusing{log="events"} 0',
      'cairn_log_refusing{log="examples"} 1',
    ]
  ) assert.ok(lines.includes(line), `${line} is not in\n${lines.join("\n")}`);
});

Deno.test("actors that make the same instrument share it, so a restart goes on counting", async () => {
  const { telemetry } = telemetryWithLines();
  for (let i = 0; i < 3; i++) telemetry.counter("starts_total", { help: "Starts." }).add(1);
  assert.match(await renderMetrics([await telemetry.snapshot()]), /^starts_total 3$/m);
});

Deno.test("a name cannot be used for two kinds of instrument", () => {
  const { telemetry } = telemetryWithLines();
  telemetry.counter("rows", { help: "Rows.", labelNames: ["shard"] });
  assert.throws(
    () => telemetry.gauge("rows", { help: "Rows.", labelNames: ["shard"] }),
    /Cannot make the instrument rows as a gauge by shard: it was made as a counter by shard/,
  );
  assert.throws(() => telemetry.counter("rows", { help: "Rows." }), /made as a counter by shard/);
});

Deno.test("log lines below the least level are dropped, the others keep their fields", () => {
  const { telemetry, lines } = telemetryWithLines();
  telemetry.log("debug", "quiet");
  telemetry.log("warn", "loud", { shard: 3 });
  assert.deepEqual(lines, [{ level: "warn", message: "loud", fields: { shard: 3 } }]);
});

Deno.test("a line is JSON for machines and short for a terminal, whatever its fields hold", () => {
  const line: LogLine = {
    level: "error",
    message: "It broke",
    fields: { id: 2n ** 60n, where: "shard/3", cause: new RangeError("too far") },
  };
  const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  const parsed = JSON.parse(jsonLine(line, nowMs));
  assert.equal(parsed.time, "2026-01-02T03:04:05.678Z");
  assert.equal(parsed.id, "1152921504606846976");
  assert.match(parsed.cause, /RangeError: too far/);
  assert.match(
    terminalLine(line, nowMs),
    /^03:04:05\.678 ERROR It broke id="1152921504606846976" where=shard\/3 cause=RangeError/,
  );
});

Deno.test("the process tells its memory, CPU time and start", async () => {
  const { telemetry } = telemetryWithLines();
  registerProcessMetrics(telemetry);
  const text = await renderMetrics([await telemetry.snapshot()]);
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  assert.ok(value("process_resident_memory_bytes") > 1e6);
  assert.ok(value("process_cpu_seconds_total") > 0);
  assert.ok(Math.abs(value("process_start_time_seconds") - Date.now() / 1000) < 3600);
});
