/**
 * `storage.s3`: snapshots in a bucket of an S3-compatible store.
 */
import { z } from "zod";

const endpoint = z.string().regex(/^https?:\/\/[^/\s?]+\/?$/).meta({
  expected: 'an address such as "https://s3.eu-central-1.amazonaws.com"',
});

const bucket = z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/).meta({
  expected: "the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens",
});

export const s3Section = z.strictObject({
  endpoint: endpoint.describe("Address of the store, without the bucket."),
  bucket: bucket.describe("The bucket; it must exist."),
  region: z.string().min(1).default("us-east-1").describe("Region that requests are signed for."),
  prefix: z.string().regex(/^([\w.-]+\/)*$/).default("").meta({
    expected: 'folders that end in a slash, such as "cairn/"',
  }).describe("Put before the name of each object; ends in a slash."),
  accessKeyId: z.string().min(1).describe("Key; ${NAME} reads it from the environment."),
  secretAccessKey: z.string().min(1).describe("Its secret; ${NAME} reads it from the environment."),
  sessionToken: z.string().min(1).optional().describe(
    "Token of temporary keys; ${NAME} reads it from the environment. Nothing renews it.",
  ),
  addressing: z.enum(["path", "virtualHost"]).default("path").describe(
    "Place of the bucket in an address: in its path, as in https://HOST/BUCKET/KEY, or in the name of the host, as in https://BUCKET.HOST/KEY.",
  ),
}).describe(
  "Snapshots in a bucket of an S3-compatible store instead of the data directory, for hosts that share no directory.",
);
