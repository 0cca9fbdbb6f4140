/**
 * Debian's moto, a server of the S3 protocol, for tests: on a free port, as long as the test file
 * runs.
 */
import { AwsClient } from "aws4fetch";
import { freePort } from "../../../free_ports.ts";

const MOTO = "/usr/bin/moto_server";
/** Keys that moto accepts. */
const keys = { accessKeyId: "key", secretAccessKey: "secret", region: "us-east-1" };

function isInstalled(): boolean {
  try {
    return Deno.statSync(MOTO).isFile;
  } catch {
    return false;
  }
}

/** Starts moto on a free port. */
async function startMoto(): Promise<{ endpoint: string; stop(): void }> {
  const port = freePort();
  const process = new Deno.Command(MOTO, {
    args: ["-H", "127.0.0.1", "-p", `${port}`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const endpoint = `http://127.0.0.1:${port}`;
  for (let tries = 0;; tries++) {
    try {
      await (await fetch(`${endpoint}/moto-api/`)).body?.cancel();
      break;
    } catch (error) {
      if (tries > 600) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return { endpoint, stop: () => process.kill("SIGKILL") };
}

/** A server under test. */
export interface Moto {
  readonly endpoint: string;
  readonly keys: typeof keys;
  readonly client: AwsClient;
  /** Makes an empty bucket; resolves with its name. */
  makeBucket(): Promise<string>;
}

/** Calls `declare` with a server; where moto is missing, a skipped test says so. */
export async function withMoto(declare: (moto: Moto) => void): Promise<void> {
  if (!isInstalled()) {
    Deno.test({
      name: "moto_server is not installed: S3 is not tried (apt-get install python3-moto)",
      ignore: true,
      fn: () => {},
    });
    return;
  }
  const { endpoint, stop } = await startMoto();
  globalThis.addEventListener("unload", stop);
  const client = new AwsClient({ ...keys, service: "s3", retries: 0 });
  let buckets = 0;
  declare({
    endpoint,
    keys,
    client,
    async makeBucket() {
      const bucket = `bucket-${buckets++}`;
      const made = await client.fetch(`${endpoint}/${bucket}`, { method: "PUT" });
      await made.body?.cancel();
      return bucket;
    },
  });
}
