/**
 * `deno task simulate` reads its own files and the caller's folder, writes to the caller's folder,
 * and asks for nothing else.
 */
import assert from "node:assert/strict";
import metadata from "../../deno.json" with { type: "json" };

const root = new URL("../../", import.meta.url);

/** The task's own command line, as if it were called from the folder. */
function command(folder: string, args: readonly string[]): Deno.Command {
  const task = metadata.tasks.simulate.replaceAll("$INIT_CWD", folder).split(" ");
  return new Deno.Command(Deno.execPath(), {
    args: [...task.slice(1, 2), "--no-check", ...task.slice(2), ...args],
    cwd: root,
    env: { INIT_CWD: folder, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  });
}

/** A module with a scenario that has no faults and lasts one virtual second. */
const shortScenario = `
import { shippedScenarios } from "${new URL("simulation/scenarios/shipped.ts", root)}";
const quiet = shippedScenarios.find(({ name }) => name === "quiet");
export const scenario = { ...quiet, name: "short", forMs: 1_000 };
`;

/** Runs the command line. */
async function simulate(folder: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = await command(folder, args).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, err, last: JSON.parse(out.trimEnd().split("\n").at(-1) || "null") };
}

Deno.test("the task may read its own files and its caller's, write there, and do nothing else", () => {
  const permissions = metadata.tasks.simulate.split(" ").filter((word) =>
    /^(-A|--(allow|ignore|deny|no-prompt))/.test(word)
  );
  assert.deepEqual(permissions, [
    "--no-prompt",
    "--ignore-env",
    "--allow-env=INIT_CWD",
    "--allow-read=.,$INIT_CWD",
    "--allow-write=$INIT_CWD",
  ]);
});

Deno.test("a seed runs with the task's permissions, twice with one hash, and draws its page", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/short.ts`, shortScenario);
    const args = ["--seed", "7", "--scenario", `${folder}/short.ts`, "--workers", "1", "--json"];
    const { code, last, err } = await simulate(folder, ...args, "--html", "run.html");
    assert.equal(code, 0, err);
    assert.deepEqual(
      Object.keys(last),
      ["traceHash", "events", "eventsPerSecond", "virtualMs", "violation"],
    );
    assert.match(await Deno.readTextFile(`${folder}/run.html`), /Simulated run 0x7/);
    const again = await simulate(folder, ...args);
    assert.equal(again.last.traceHash, last.traceHash);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A scenario that breaks its promise by twelve crashes, none of which can be left out. */
const needsAllFaults = `
import { shippedScenarios } from "${new URL("simulation/scenarios/shipped.ts", root)}";
const crashes = Array.from({ length: 12 }, (_, i) => i);
export const scenario = {
  ...shippedScenarios.find(({ name }) => name === "quiet"),
  name: "needs-all-faults",
  forMs: 1_000,
  faults: () => crashes.map((i) => ({ kind: "crashActor", atMs: 400 + i, actor: "joiner/0" })),
  checkers: [({ fail }) => {
    let left = crashes.length;
    return { name: "twelve", fault: () => void (--left === 0 && fail("twelve crashes")) };
  }],
};
`;

Deno.test("a broken promise is told and written before shrinking, which a signal ends", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/all.ts`, needsAllFaults);
    const args = ["--seed", "3", "--scenario", `${folder}/all.ts`, "--workers", "1", "--json"];
    const child = command(folder, args).spawn();
    let err = "";
    const decoder = new TextDecoder();
    for await (const bytes of child.stderr) {
      const before = err;
      err += decoder.decode(bytes, { stream: true });
      if (before.includes("shrinking it") || !err.includes("shrinking it")) continue;
      assert.match(err, /^CORRECTNESS \(129\) twelve: twelve crashes$/m);
      const plan = JSON.parse(await Deno.readTextFile(`${folder}/simulated/0x3/plan.json`));
      assert.equal(plan.faults.length, 12);
      child.kill("SIGTERM");
    }
    const [{ code }, out] = await Promise.all([child.status, new Response(child.stdout).text()]);
    assert.equal(code, 129, err);
    assert.match(err, /^ {2}12 → 12 faults, .* in \d+ runs?$/m);
    const { violation, faults } = JSON.parse(out.trimEnd().split("\n").at(-1) ?? "null");
    assert.deepEqual([violation, faults], ["twelve", 12]);
    const shrunk = JSON.parse(await Deno.readTextFile(`${folder}/simulated/0x3/shrunk.json`));
    assert.equal(shrunk.faults.length, 12);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a planted bug is found with the task's permissions, and its plan lies in the folder", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const args = ["--plant", "scores-ascending", "--seed", "1", "--workers", "1", "--json"];
    const { code, last, err } = await simulate(folder, ...args);
    assert.equal(code, 129, err);
    assert.deepEqual(last, { violation: "stated-answers", seed: 1, faults: 0, seedsTried: 1 });
    assert.match(err, /^the planted bug scores-ascending was found$/m);
    const plans = [...Deno.readDirSync(`${folder}/simulated`)].map(({ name }) => name);
    assert.deepEqual(plans, ["0x1"], "the copy of the source is removed");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("many seeds end with the tried ones, the violation, the probes missed and the speed", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/short.ts`, shortScenario);
    const args = ["--seed", "1", "--seeds", "1", "--scenario", `${folder}/short.ts`];
    const { code, last } = await simulate(folder, ...args, "--json");
    assert.equal(code, 0);
    assert.deepEqual(
      Object.keys(last),
      ["seedsTried", "violation", "probesMissed", "seedsPerMinute"],
    );
    const { code: usage, err } = await simulate(folder, "--faults", "gremlins");
    assert.equal(usage, 1, err);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a path where the task may not read or write is refused before a run, with what to do", async () => {
  const folder = await Deno.makeTempDir();
  const outside = await Deno.makeTempDir();
  try {
    for (
      const [option, more] of [
        ["--out", ["--plant", "scores-ascending"]],
        ["--out", []],
        ["--html", []],
        ["--perfetto", []],
        ["--config", []],
        ["--replay", []],
      ] as const
    ) {
      const path = `${outside}/x`;
      const { code, err } = await simulate(folder, "--seed", "1", ...more, option, path);
      assert.equal(code, 1, err);
      assert.match(err, new RegExp(`error: ${option} ${path}: this command may not (read|write)`));
      assert.ok(err.includes(`Give a path below ${folder}`) && err.includes("deno task cairn"));
      assert.deepEqual([...Deno.readDirSync(outside)], []);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
    await Deno.remove(outside, { recursive: true });
  }
});
