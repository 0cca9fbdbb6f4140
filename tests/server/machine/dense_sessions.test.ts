/**
 * The device of the configured model, and the lines about it.
 */
import assert from "node:assert/strict";
import {
  openInferenceSession,
  openTrainingSession,
} from "../../../server/machine/dense_sessions.ts";
import { ThreadedSession } from "../../../server/machine/dense_threads/threaded_session.ts";
import { loadConfiguration } from "../../../cli/load_configuration.ts";

const CONFIG = new URL("../../../examples/movies.yaml", import.meta.url).pathname;
const configured = (provider: string) =>
  loadConfiguration(CONFIG, { assignments: [`trainer.provider=${provider}`] });

Deno.test("auto names the chosen device and the reasons against others, and uses the threads of cpu on the CPU", async () => {
  const lines: string[] = [];
  const tell = (line: string) => void lines.push(line);
  const configuration = await configured("auto");
  const trainer = await openTrainingSession(configuration, { ownThread: true, tell });
  const server = await openInferenceSession(configuration, { tell });
  await Promise.all([trainer.close(), server.close()]);

  const [trains, serves] = lines;
  assert(trains.startsWith(`The dense model trains on "${trainer.provider}", chosen by "auto".`));
  assert(serves.startsWith(`The dense model serves on "${server.provider}", chosen by "auto".`));
  if (trainer.provider === "cuda") return;
  assert(trainer instanceof ThreadedSession);
  assert.match(trains, /Cannot run the dense model on "cuda": .*gpu:install/);
});

Deno.test("a device that was named in the configuration is used without a line", async () => {
  const lines: string[] = [];
  const session = await openTrainingSession(await configured("cpu"), {
    tell: (line) => void lines.push(line),
  });
  await session.close();
  assert.deepEqual(lines, []);
});
