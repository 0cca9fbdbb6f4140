/**
 * The stores that a worker thread reads. Every thread loads this module, so it imports no store
 * that the thread may not use: the client of Redis alone takes 0.1 s of core time.
 */
import { DirectoryBlobStore } from "../../mesh/adapters/embedded/directory_blob_store.ts";
import { EmbeddedEventLog } from "../../mesh/adapters/embedded/embedded_event_log.ts";
import { SharedLogEnds } from "../../mesh/adapters/embedded/log_ends.ts";
import type { S3Options } from "../../mesh/adapters/s3/s3_blob_store.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { RedisStorage } from "./redis_storage.ts";

/** Plain data for {@link openSharedStorage} in another thread. */
export interface SharedStorage {
  readonly path: string;
  /** Where the logs are on a server. */
  readonly redis?: RedisStorage;
  /** Where the snapshots are in a bucket. */
  readonly s3?: S3Options;
  /** Undefined where the process has no logs. */
  readonly examples: {
    readonly partitions: number;
    readonly ends: SharedArrayBuffer;
  } | undefined;
}

/** Opens the stores of {@link SharedStorage}. */
export async function openSharedStorage({ path, redis, s3, examples }: SharedStorage): Promise<{
  readonly exampleLog: EventLog | undefined;
  readonly blobs: BlobStore;
}> {
  const blobs = await blobsOf(path, s3);
  if (redis) {
    const { openRedisExampleLog } = await import("./redis_storage.ts");
    return { exampleLog: await openRedisExampleLog(redis), blobs };
  }
  return {
    exampleLog: examples && await EmbeddedEventLog.open({
      directory: `${path}/examples`,
      partitions: examples.partitions,
      mode: "read",
      ends: new SharedLogEnds(examples.ends),
    }),
    blobs,
  };
}

/** Snapshots in the bucket, or in the directory where there is none. */
export async function blobsOf(path: string, s3: S3Options | undefined): Promise<BlobStore> {
  if (s3 === undefined) return new DirectoryBlobStore(`${path}/blobs`);
  const { S3BlobStore } = await import("../../mesh/adapters/s3/s3_blob_store.ts");
  return new S3BlobStore(s3);
}
