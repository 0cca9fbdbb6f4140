import assert from "node:assert/strict";
import { notice } from "../../cli/notice.ts";

Deno.test("a notice is text on a terminal and a line of JSON in a log", () => {
  const said: string[] = [];
  const output = { out: () => {}, err: (text: string) => void said.push(text) };
  notice(output, "Cairn serves on http://[::1]:8080.", true);
  notice(output, 'stops "soon"', false);
  assert.equal(said[0], "Cairn serves on http://[::1]:8080.\n");
  const { time, ...line } = JSON.parse(said[1]);
  assert.deepEqual(line, { level: "info", message: 'stops "soon"' });
  assert.ok(!Number.isNaN(Date.parse(time)));
});
