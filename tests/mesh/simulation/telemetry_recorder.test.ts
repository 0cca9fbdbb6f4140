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
