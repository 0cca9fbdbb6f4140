/**
 * Checks of the address of the Redis server.
 */
import type { Finding } from "../problems.ts";
import type { Sections } from "./check.ts";

/** Certificates without TLS, half a pair of them, and sentinels that cannot be asked. */
export function* redisAddress({ storage }: Sections): Iterable<Finding> {
  if (storage?.kind !== "directory" || storage.redis === undefined) return;
  const { url, sentinels, sentinelPassword, tls } = storage.redis;
  const path = ["storage", "redis"];
  if (tls !== undefined && !url.startsWith("rediss://")) {
    yield {
      path: [...path, "tls"],
      message: `found certificates, and url is ${scheme(url)}, without TLS; use rediss://`,
    };
  }
  if ((tls?.cert === undefined) !== (tls?.key === undefined)) {
    const [has, lacks] = tls?.cert === undefined ? ["key", "cert"] : ["cert", "key"];
    yield { path: [...path, "tls"], message: `found ${has} without ${lacks}; give both` };
  }
  if (sentinels === undefined) {
    if (sentinelPassword === undefined) return;
    yield {
      path: [...path, "sentinelPassword"],
      message: "found a password, and no sentinels; give their addresses by sentinels",
    };
    return;
  }
  const { host } = new URL(url);
  if (url.startsWith("unix://")) {
    yield {
      path: [...path, "url"],
      message: "found a socket, and sentinels; write the name of the primary: redis://mymaster",
    };
  } else if (/:\d+$/.test(host)) {
    yield {
      path: [...path, "url"],
      message: `found the port in ${host}, and sentinels, which know it; ` +
        "write the name of the primary alone: redis://mymaster",
    };
  }
}

function scheme(url: string): string {
  return url.slice(0, url.indexOf(":") + 3);
}
