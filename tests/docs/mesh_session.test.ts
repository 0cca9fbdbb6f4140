/**
 * Goal: an operator starts, changes, loses and upgrades the hosts of a mesh by the guides alone.
 *
 * Method: the commands of mesh.md and scaling.md are one shell session in a fresh folder that has
 * `cairn` and the example of a mesh, as they stand but for the ports, which are free ones.
 */
import assert from "node:assert/strict";
import { buildCommandLine } from "../../cli/command_line.ts";
import { freePorts } from "../free_ports.ts";
import { fencesOf, has, runFences } from "./shell_session.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, root));
const fences = ["docs/mesh.md", "docs/scaling.md"].flatMap((path) =>
  fencesOf(read(path), ["yaml"])
);

/** Ports of the guides and the example. */
const shownPorts = ["6379", "7401", "7402", "7403", "7404", "8080", "8082", "8083", "8084"];

Deno.test({
  name: "every command of the guides to a mesh works in a fresh folder, in order",
  ignore: !has("bash", "curl", "redis-server"),
  async fn() {
    const free = freePorts(shownPorts.length);
    const withFreePorts = (text: string) =>
      text.replace(/\b\d{4}\b/g, (port) => `${free[shownPorts.indexOf(port)] ?? port}`);
    const run = fences.filter(({ skipped }) => skipped === undefined);
    assert.ok(run.length >= 14, `${run.length} fences`);
    const out = await runFences(
      run.map((fence) => ({ ...fence, text: withFreePorts(fence.text) })),
      {},
      { "examples/mesh.yaml": withFreePorts(read("examples/mesh.yaml")) },
    );
    const inOrder = [
      /"eventId":"e-1","status":"accepted"/,
      /^tables {2}up .* 8 /m, // all shards are there
      /^tables {2}up {2}8 -> 4 shards/m,
      /^cairn plan exits with 2$/m,
      /^4 shards move, /m,
      /^last plan: done, 4 moves$/m,
      /^shard 0 is active on "tables-2" /m,
      /^4 shards move, /m, // after the drain
      /"rankingId"/, // while the host is dead
      /^not up: tables-2 /m,
      /^last move from tables-2 to tables, .*: its host tables-2 is gone; /m,
      /^4 shards move, /m,
      /^8 -> 16 shards: done/m,
      /^1 -> 3 trainers/m,
      /^1 -> 3 partitions of the event log/m,
    ];
    let at = 0;
    for (const expected of inOrder) {
      const found = expected.exec(out.slice(at));
      assert.ok(found, `${expected} comes after the others:\n${out}`);
      at += found.index + found[0].length;
    }
    const last = out.slice(out.lastIndexOf("version "));
    for (const host of ["edge", "learn", "tables", "tables-2"]) {
      assert.match(last, new RegExp(`^${host} +up `, "m"));
    }
    assert.match(last, /^trainer|reads/m);
  },
});

Deno.test("commands that are listed and not run have a reason, and are those of the command line", () => {
  const program = buildCommandLine({ out() {}, err() {} });
  const listed = fences.filter(({ skipped }) => skipped !== undefined)
    .flatMap(({ text }) => text.trim().split("\n"));
  assert.ok(listed.length >= 10, `${listed.length} commands`);
  for (const line of listed) {
    const [, name, rest] = /^cairn (\w+)(.*?)(?:#.*)?$/.exec(line) ?? assert.fail(line);
    const command = program.commands.find((each) => each.name() === name);
    assert.ok(command, `${line}: there is no such command`);
    for (const [option] of rest.matchAll(/--[a-z-]+/g)) {
      assert.ok(command.options.some(({ long }) => long === option), `${line}: ${option}`);
    }
  }
});
