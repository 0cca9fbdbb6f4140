import assert from "node:assert/strict";
import { launchers } from "../../../server/machine/launcher.ts";

/** The chain above process 9, as command lines from the direct parent on. */
function chainOf(...commandLines: string[]): number[] {
  const found = launchers(8, (pid) => {
    const commandLine = commandLines[8 - pid];
    if (commandLine === undefined) return undefined;
    return { pid, parent: pid - 1, startTime: "1", commandLine };
  });
  return found.map(({ pid }) => pid);
}

Deno.test("npx with its shell and tasks is the launcher of a server", () => {
  const command = "deno task cairn serve";
  assert.deepEqual(
    chainOf("/opt/deno task tuned main.ts", command, `sh -c 'deno' task`, `npm exec ${command}`),
    [8, 7, 6, 5],
  );
  assert.deepEqual(chainOf(command, "node /usr/bin/npx -y deno task cairn serve", "bash"), [8, 7]);
});

Deno.test("a shell of the user is no launcher, so that a server outlives its terminal", () => {
  const task = "deno task cairn serve";
  assert.deepEqual(chainOf(task, "sh -c deno task cairn serve > log &", "bash"), [8]);
  assert.deepEqual(chainOf("bash", "npm start"), []);
  assert.deepEqual(chainOf("systemd"), []);
});

Deno.test("the command of the package is the launcher of a server, and npx above it", () => {
  assert.deepEqual(
    chainOf(
      "node /srv/node_modules/.bin/cairn serve",
      "sh -c cairn serve",
      "npm exec cairn",
      "bash",
    ),
    [8, 7, 6],
  );
  assert.deepEqual(chainOf("node /srv/node_modules/cairn/bin/cairn.mjs serve", "bash"), [8]);
});
