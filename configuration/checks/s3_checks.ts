/**
 * Checks of the address of the bucket.
 */
import type { Finding } from "../problems.ts";
import type { Sections } from "./check.ts";

/** A bucket in the name of a host, for which no certificate can be. */
export function* bucketAddress({ storage }: Sections): Iterable<Finding> {
  if (storage?.kind !== "directory" || storage.s3 === undefined) return;
  const { endpoint, bucket, addressing } = storage.s3;
  if (addressing === "virtualHost" && endpoint.startsWith("https:") && bucket.includes(".")) {
    yield {
      path: ["storage", "s3", "bucket"],
      message:
        `found ${bucket}, and addressing: virtualHost, where a certificate of the store is ` +
        "for names without dots; use another bucket, or addressing: path",
    };
  }
}
