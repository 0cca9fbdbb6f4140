/**
 * Synced bytes leave the page cache, except for the end of the log that readers follow.
 */
import assert from "node:assert/strict";
import { SegmentReader } from "../../../../mesh/adapters/embedded/segment_reader.ts";
import { PageCacheRelease } from "../../../../mesh/adapters/linux/page_cache.ts";
import { EmbeddedEventLog } from "../../../../mesh/adapters/embedded/embedded_event_log.ts";
import { listSegments } from "../../../../mesh/adapters/embedded/segment_files.ts";

const MiB = 2 ** 20;

function say(command: string, ...args: string[]): string {
  const { stdout, stderr, success } = new Deno.Command(command, { args }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

const cachedBytes = (path: string) => Number(say("fincore", "-b", "-n", "-o", "RES", path));

/** A file system in memory has no cache to leave. */
function hasCache(): boolean {
  if (Deno.build.os !== "linux") return false;
  const directory = Deno.makeTempDirSync({ prefix: "cairn-pages-" });
  const kind = say("stat", "-f", "-c", "%T", directory);
  Deno.removeSync(directory);
  return !["tmpfs", "ramfs"].includes(kind);
}

Deno.test({
  name:
    "a growing log keeps its last megabytes in the page cache, and all of its bytes on the disk",
  ignore: !hasCache(),
  async fn() {
    const directory = Deno.makeTempDirSync({ prefix: "cairn-pages-" });
    const log = await EmbeddedEventLog.open({ directory, partitions: 1, mode: "write" });
    const record = new Uint8Array(MiB);
    for (let i = 0; i < 40; i++) {
      record.fill(i);
      await log.append(0, [record]);
    }
    const [{ path }] = listSegments(`${directory}/0`);
    await log.close();
    const cached = cachedBytes(path);
    assert.ok(cached <= 20 * MiB, `${cached} of ${Deno.statSync(path).size} bytes`);
    assert.ok(cached >= 15 * MiB, `${cached} bytes: readers follow the end`);
    const reader = new SegmentReader(`${directory}/0`);
    const records = reader.read(0, 40, 40);
    reader.close();
    assert.deepEqual(records.map(({ bytes }) => bytes[bytes.length - 1]), [...Array(40).keys()]);
    Deno.removeSync(directory, { recursive: true });
  },
});

Deno.test("a missing file changes nothing", async () => {
  const pages = new PageCacheRelease("/nowhere/at/all", 0);
  pages.follow(100 * MiB);
  await pages.close();
});
