import { equal, ok } from "node:assert/strict";
import { memoryLimitBytes } from "../../../../mesh/adapters/linux/memory_limit.ts";

const MACHINE_BYTES = 64 * 2 ** 30;

function limit(files: Record<string, string>): number {
  return memoryLimitBytes(MACHINE_BYTES, (path) => files[path]);
}

Deno.test("without control groups the limit is the machine's memory", () => {
  equal(limit({}), MACHINE_BYTES);
  equal(limit({ "/proc/self/cgroup": "" }), MACHINE_BYTES);
});

Deno.test("version 2: the smallest limit of the group and those above counts", () => {
  const files = {
    "/proc/self/cgroup": "0::/kubepods/pod7/cairn\n",
    "/sys/fs/cgroup/kubepods/pod7/cairn/memory.max": "max\n",
    "/sys/fs/cgroup/kubepods/pod7/memory.max": "2147483648\n",
    "/sys/fs/cgroup/kubepods/memory.max": "8589934592\n",
  };
  equal(limit(files), 2 * 2 ** 30);
});

Deno.test("version 2: in a container the own group appears as the topmost", () => {
  equal(
    limit({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "1073741824\n" }),
    2 ** 30,
  );
});

Deno.test("version 1: the group may be hidden behind the container's mount", () => {
  const files = {
    "/proc/self/cgroup": "5:devices:/docker/1\n4:memory:/docker/1\n0::/\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
  };
  equal(limit(files), 512 * 2 ** 20);
});

Deno.test("version 1 writes a number above all memory for no limit", () => {
  const files = {
    "/proc/self/cgroup": "4:cpu,memory:/\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
  };
  equal(limit(files), MACHINE_BYTES);
});

Deno.test("files that are not as described leave the machine's memory", () => {
  for (const text of ["", "none", "0", "-1"]) {
    equal(
      limit({ "/proc/self/cgroup": "0::/\nnonsense\n:::\n", "/sys/fs/cgroup/memory.max": text }),
      MACHINE_BYTES,
    );
  }
});

Deno.test("this machine's limit is at most its memory", () => {
  const bytes = memoryLimitBytes(MACHINE_BYTES);
  ok(bytes > 0 && bytes <= MACHINE_BYTES);
});
