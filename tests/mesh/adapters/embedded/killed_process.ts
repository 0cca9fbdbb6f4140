/**
 * A process that is killed while it works: its files are those of a real crash.
 */
import assert from "node:assert/strict";

/**
 * Runs a module's text in a process of its own, and kills it when it has written a line.
 *
 * @param text May import from the repository by `root`, a file URL that ends in a slash.
 */
export async function runUntilKilled(text: (root: string) => string): Promise<void> {
  const root = new URL("../../../../", import.meta.url).href;
  const file = Deno.makeTempFileSync({ suffix: ".ts" });
  Deno.writeTextFileSync(file, text(root));
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "-A",
      `--config=${new URL("deno.json", root).pathname}`,
      file,
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  try {
    const { value } = await reader.read();
    assert.ok(value !== undefined, "the process writes a line before it ends");
    child.kill("SIGKILL");
    assert.equal((await child.status).signal, "SIGKILL");
  } finally {
    await reader.cancel();
    Deno.removeSync(file);
  }
}
