import assert from "node:assert/strict";
import { DirectoryBlobStore } from "../../../mesh/adapters/embedded/directory_blob_store.ts";
import { EMPTY_QUARANTINE, withRefused, writeQuarantine } from "../../../records/quarantine.ts";
import { runCaptured } from "../captured_command.ts";
import { refusedRow } from "./refused_row.ts";

Deno.test("`data quarantine` shows the refused rows and the passed-over stretches of every trainer", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${directory}/blobs`);
    const nothing = await runCaptured("data", "quarantine", directory);
    assert.match(nothing.out, /no rows were put aside/);
    const skippedAtMs = Date.UTC(2026, 0, 2);
    const skipped = [{ from: 10, to: 20, skippedAtMs, reason: "exploded", version: 3 }];
    await writeQuarantine(new DirectoryBlobStore(`${directory}/blobs`), "trainer/0", {
      ...withRefused(EMPTY_QUARANTINE, [refusedRow]),
      skipped,
    });
    const { out } = await runCaptured("data", "quarantine", directory);
    assert.match(out, /trainer-0 {2}row 37 .*labels 1e\+30 .*\n {2}the loss is not finite/);
    assert.match(out, /trainer-0 {2}rows 10 to 19 {2}passed over 2026-01-02T/);
    const json = await runCaptured("data", "quarantine", directory, "--json");
    assert.equal(JSON.parse(json.out).rowsRefused, 1);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("`data verify` finds a damaged quarantine and names its file", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${directory}/blobs`);
    await writeQuarantine(
      new DirectoryBlobStore(`${directory}/blobs`),
      "trainer/0",
      EMPTY_QUARANTINE,
    );
    const file = `${directory}/blobs/quarantine/trainer-0.json`;
    const bytes = await Deno.readFile(file);
    bytes[bytes.indexOf("0".charCodeAt(0))] ^= 1;
    await Deno.writeFile(file, bytes);
    const { code, out } = await runCaptured("data", "verify", directory);
    assert.equal(code, 1);
    assert.match(out, /damaged: .*quarantine\/trainer-0\.json/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
