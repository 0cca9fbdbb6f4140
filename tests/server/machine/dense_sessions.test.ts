/**
 * Where the configured model runs, and what is said of it.
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

Deno.test("auto says where it led and what it passed over, and on the CPU has the threads that cpu has", async () => {
  const lines: string[] = [];
  const tell = (line: string) => void lines.push(line);
  const configuration = await configured("auto");
  const trainer = await openTrainingSession(configuration, { ownThread: true, tell });
  const server = await openInferenceSession(configuration, tell);
  await Promise.all([trainer.close(), server.close()]);

  const [trains, serves] = lines;
  assert(trains.startsWith(`The dense model trains on "${trainer.provider}", chosen by "auto".`));
  assert(serves.startsWith(`The dense model serves on "${server.provider}", chosen by "auto".`));
  if (trainer.provider === "cuda") return;
  assert(trainer instanceof ThreadedSession);
  assert.match(trains, /Cannot run the dense model on "cuda": .*gpu:install/);
});

Deno.test("of a device that was named nothing is said", async () => {
  const lines: string[] = [];
  const session = await openTrainingSession(await configured("cpu"), {
    tell: (line) => void lines.push(line),
  });
  await session.close();
  assert.deepEqual(lines, []);
});
