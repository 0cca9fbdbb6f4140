import assert from "node:assert/strict";

const stopSignal = new URL("../../../server/machine/stop_signal.ts", import.meta.url).href;

/** Says why it is to stop, and goes on as a server that finishes what is under way. */
const finishing = `
  import { stopSignal } from "${stopSignal}";
  setInterval(() => {}, 1_000);
  stopSignal().then((reason) => console.log(reason));
  console.log("begun");
`;

Deno.test("a signal more than a second after the first ends a process that is stopping", async () => {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", finishing],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const said: string[] = [];
  let signals: ReturnType<typeof setInterval> | undefined;
  let firstAtMs = Infinity;
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    said.push(...text.trim().split("\n"));
    if (signals !== undefined) continue;
    firstAtMs = performance.now();
    // Copies of the first one, and then others.
    signals = setInterval(() => {
      try {
        process.kill("SIGTERM");
      } catch {
        // It has ended.
      }
    }, 50);
  }
  clearInterval(signals);
  assert.equal((await process.status).code, 130);
  assert.deepEqual(said, ["begun", "SIGTERM"]);
  assert.ok(performance.now() - firstAtMs > 1_000, "copies of the first signal end nothing");
});
