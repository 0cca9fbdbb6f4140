import assert from "node:assert/strict";
import { LinkReport } from "../../../../mesh/adapters/tcp/link_report.ts";
import { TelemetryRecorder } from "../../../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../../../mesh/simulation/virtual_clock.ts";

Deno.test("refused connections of one address are a line each ten seconds, and all are counted", async () => {
  const [telemetry, clock] = [new TelemetryRecorder(), new VirtualClock()];
  const report = new LinkReport(telemetry, clock, ["b"]);
  const reasons = () =>
    telemetry.lines.splice(0).map(({ message }) => message.replace("no link with host ", ""));
  for (let i = 0; i < 300; i++) report.refused("10.0.0.9", `it sent ${i}`);
  report.refused("10.0.0.7", "another secret");
  assert.deepEqual(reasons(), [
    "10.0.0.9: refused: it sent 0",
    "10.0.0.7: refused: another secret",
  ]);
  await clock.advance(10_000);
  report.refused("10.0.0.9", "it sent 0");
  report.refused("10.0.0.7", "another configuration");
  assert.deepEqual(reasons(), ["10.0.0.7: refused: another configuration"]);
  assert.equal(telemetry.value("cairn_link_refused_total"), 303);
});
