import assert from "node:assert/strict";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";

Deno.test("a bounded recorder keeps the newest lines and samples", () => {
  const telemetry = new TelemetryRecorder({ linesMax: 10, samplesMax: 10 });
  const histogram = telemetry.histogram("latency_ms");
  for (let i = 0; i < 95; i++) {
    telemetry.log("info", String(i));
    histogram.record(i);
  }
  assert.ok(telemetry.lines.length <= 10 && telemetry.lines.length >= 5);
  assert.equal(telemetry.lines.at(-1)?.message, "94");
  const samples = telemetry.samples("latency_ms");
  assert.deepEqual(samples, telemetry.lines.map(({ message }) => Number(message)));
});

Deno.test("a recorded gauge has the sum of the watches that have not ended", () => {
  const telemetry = new TelemetryRecorder();
  const gauge = telemetry.gauge("level");
  const value = () => telemetry.value("level", { tank: "a" });
  const watch = (level: number) => gauge.watch(() => level, { tank: "a" });
  const [, endSecond, endThird] = [watch(1), watch(2), watch(3)];
  gauge.watch(() => 10, { tank: "b" });
  assert.equal(value(), 6);
  endSecond();
  assert.equal(value(), 4);
  endThird();
  assert.equal(value(), 1);
});

Deno.test("the end of a watch leaves another one that reads the same", () => {
  const telemetry = new TelemetryRecorder();
  const gauge = telemetry.gauge("level");
  const read = () => 5;
  const [endFirst, endSecond] = [gauge.watch(read), gauge.watch(read)];
  endFirst();
  endFirst();
  assert.equal(telemetry.watched("level"), 5);
  endSecond();
  assert.equal(telemetry.watched("level"), undefined);
});
