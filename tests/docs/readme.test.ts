/**
 * Sends the README's requests, in its order, to the server that it starts, and compares the
 * answers.
 */
import assert from "node:assert/strict";
import { loadConfiguration } from "../../cli/load_configuration.ts";
import { startMesh } from "../../server/machine/start_mesh.ts";
import { waitReady } from "../../server/waits.ts";

const root = new URL("../../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", root));

interface Shown {
  readonly path: string;
  readonly body: string;
  /** The answer that the README shows. */
  readonly answer: unknown;
}

/** Each curl command with the JSON block that follows it. */
function shownRequests(markdown: string): Shown[] {
  const blocks = [...markdown.matchAll(/```(sh|json)\n([^]*?)```/g)];
  return blocks.flatMap(([, language, text], at) => {
    const curl = /^curl localhost:8080(\S+) [^]*? -d '([^']*)'/.exec(text);
    if (language !== "sh" || curl === null) return [];
    const next = blocks[at + 1];
    assert.equal(next?.[1], "json", `no answer is shown for curl ${curl[1]}`);
    return [{ path: curl[1], body: curl[2], answer: JSON.parse(next[2]) }];
  });
}

/**
 * The value with each leaf replaced by its type, so that ids, times and learned scores may differ.
 */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, shapeOf(entry)]));
}

Deno.test("the README's requests get the answers that it shows", async () => {
  const requests = shownRequests(readme);
  assert.deepEqual(requests.map(({ path }) => path), ["/v1/rank", "/v1/events", "/v1/rank"]);
  const mesh = await startMesh(
    await loadConfiguration(new URL("examples/movies.yaml", root).pathname),
  );
  // deno-lint-ignore no-explicit-any -- answers are compared with the README's, not with a type
  const answers: any[] = [];
  try {
    await waitReady(mesh);
    for (const { path, body, answer } of requests) {
      const response = await mesh.fetch(
        new Request(`http://localhost:8080${path}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body,
        }),
      );
      const actual = await response.json();
      assert.equal(response.status, 200, JSON.stringify(actual));
      assert.deepEqual(shapeOf(actual), shapeOf(answer), path);
      answers.push(actual);
      if (path === "/v1/events") await learned(mesh, actual.events[0].acceptedAtMs);
    }
  } finally {
    await mesh.stop();
  }
  const [before, event, after] = answers;
  assert.deepEqual(before, requests[0].answer);
  assert.equal(event.accepted, 1);
  assert.ok(after.learnedThroughMs >= event.events[0].acceptedAtMs);
  // Order and coldness only: scores depend on the processor's rounding.
  const said = requests[2].answer as typeof after;
  assert.deepEqual(
    after.items.map(({ id, cold }: { id: string; cold: boolean }) => ({ id, cold })),
    said.items.map(({ id, cold }: { id: string; cold: boolean }) => ({ id, cold })),
  );
});

/** Waits until the served model says that it has learned from the event. */
async function learned(
  mesh: { fetch(request: Request): Response | Promise<Response> },
  acceptedAtMs: number,
) {
  for (const deadlineMs = performance.now() + 60_000; performance.now() < deadlineMs;) {
    const response = await mesh.fetch(new Request("http://localhost:8080/health/ready"));
    if ((await response.json()).learnedThroughMs >= acceptedAtMs) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail("the event was not learned from within a minute");
}

Deno.test("the commands that the README names are tasks and commands", async () => {
  const tasks = Object.keys(JSON.parse(await Deno.readTextFile(new URL("deno.json", root))).tasks);
  for (const [, task] of readme.matchAll(/npx -y deno task (\w+)/g)) {
    assert.ok(tasks.includes(task), task);
  }
});
