/**
 * Checks of memory limits, queues and threads.
 */
import type { ConfigurationPath, Finding } from "../problems.ts";
import { rowClassesOf } from "../row_classes.ts";
import { servingBytesNeeded } from "../serving_memory.ts";
import { formatBytes } from "../units.ts";
import type { HostLimits, Sections } from "./check.ts";

/**
 * Part of the 4 GiB of a table's WASM memory that rows may use; snapshots and buffers need the
 * rest.
 */
const TABLE_BYTES_MAX = 3 * 2 ** 30;
const TABLE_BYTES_MIN = 2 ** 20;

/** Tables that do not fit a shard's address space, their own minimum or the machine. */
export function* memory(
  { embeddings, features, model, shards }: Sections,
  host?: HostLimits,
): Iterable<Finding> {
  if (embeddings === undefined || shards === undefined) return;
  const classes = features === undefined || model === undefined
    ? 1
    : Math.max(1, rowClassesOf({ features, model, embeddings }).length);
  const shareMin = classes * TABLE_BYTES_MIN;
  const { bytesMax, serving } = embeddings;
  const limits: [ConfigurationPath, number][] = [
    [["embeddings", "bytesMax"], bytesMax],
    ...(serving.bytesMax === undefined ? [] : [
      [["embeddings", "serving", "bytesMax"], serving.bytesMax] as [ConfigurationPath, number],
    ]),
  ];
  for (const [path, bytes] of limits) {
    const share = bytes / shards.count;
    const perShard = `${formatBytes(bytes)} over ${shards.count} shards is ` +
      `${(share / 2 ** 20).toFixed(1)}MiB a shard`;
    if (share > TABLE_BYTES_MAX) {
      yield {
        path,
        message: `${perShard}, and the limit of a shard is 3GiB; ` +
          `raise shards.count to ${
            Math.ceil(bytes / TABLE_BYTES_MAX)
          } or more, or lower this value`,
      };
    } else if (share < shareMin) {
      const needs = classes === 1
        ? "a table needs 1MiB"
        : `its ${classes} tables, one for each combination of widths and optimizers, need 1MiB each`;
      yield {
        path,
        message: `${perShard}, and ${needs}; write ${shards.count * classes}MiB or more, ` +
          "or lower shards.count",
      };
    }
  }
  if (features === undefined || model === undefined) return;
  const needed = servingBytesNeeded({ features, model, embeddings, shards });
  if (serving.bytesMax !== undefined && serving.bytesMax < needed) {
    yield {
      path: ["embeddings", "serving", "bytesMax"],
      message: `found ${formatBytes(serving.bytesMax)}, and the rows that fit into ` +
        `embeddings.bytesMax (${formatBytes(bytesMax)}) need ${formatBytes(needed)} in ` +
        `${serving.precision}; leave it out, or lower embeddings.bytesMax`,
    };
  }
  const servingBytes = serving.bytesMax ?? needed;
  if (host !== undefined && bytesMax + servingBytes > host.memoryBytes) {
    yield {
      path: ["embeddings", "bytesMax"],
      message: `${formatBytes(bytesMax)} for training and ${formatBytes(servingBytes)} for ` +
        `serving do not fit in the ${(host.memoryBytes / 2 ** 30).toFixed(1)}GiB that the ` +
        "process gets here; lower this value",
    };
  }
}

/** Queues that cannot fill a batch, more threads than shards, duplicate API keys. */
export function* queues({ trainer, placement, shards, gateway }: Sections): Iterable<Finding> {
  if (trainer !== undefined && trainer.rowsWaitingMax < trainer.batchRows) {
    yield {
      path: ["trainer", "rowsWaitingMax"],
      message: `found ${trainer.rowsWaitingMax}, expected batchRows (${trainer.batchRows}) or ` +
        "more: no batch would be full",
    };
  }
  if (
    placement?.kind === "workers" && shards !== undefined && placement.shardThreads > shards.count
  ) {
    yield {
      path: ["placement", "shardThreads"],
      message: `found ${placement.shardThreads} threads for ${shards.count} shards; ` +
        `write ${shards.count} or less, or raise shards.count`,
    };
  }
  const apiKeys = gateway?.apiKeys ?? [];
  for (const [i, key] of apiKeys.entries()) {
    if (apiKeys.indexOf(key) < i) {
      yield { path: ["gateway", "apiKeys", i], message: "duplicate key; keep one" };
    }
  }
}
