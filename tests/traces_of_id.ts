/**
 * The traces of a user in stored bytes: the id as text, and the signature of its feature ids in
 * either byte order, and these ids as JSON has them. And the files of a directory that have one.
 */
import { featureIdOf, signatureOf } from "../records/forgotten.ts";
import { holdsBytes } from "../structures/byte_search.ts";

/** Slots of the tests' configurations are below. */
const SLOTS_MAX = 32;

/** The byte strings that lead to a user. */
export function tracesOf(user: string): ReadonlyMap<string, Uint8Array> {
  const words = new Uint8Array(8);
  const view = new DataView(words.buffer);
  view.setBigUint64(0, BigInt(signatureOf(user)), true);
  const little = words.slice(0, 6);
  return new Map([
    ["text", new TextEncoder().encode(user)],
    ["hash, little-endian", little],
    ["hash, big-endian", little.slice().reverse()],
    ["hash, decimal", new TextEncoder().encode(String(signatureOf(user)))],
    ...Array.from({ length: SLOTS_MAX }, (_, slot) => {
      const id = String(featureIdOf(slot, signatureOf(user)));
      return [`feature id of slot ${slot}, decimal`, new TextEncoder().encode(id)] as const;
    }).slice(1),
  ]);
}

/** Entries of a directory; none where its writer has deleted the directory meanwhile. */
export async function entriesOf(directory: string): Promise<Deno.DirEntry[]> {
  return await unlessDeleted(Array.fromAsync(Deno.readDir(directory)), []);
}

/** Each file below a directory that has a trace of the user, with the trace. */
export async function tracesIn(directory: string, user: string): Promise<string[]> {
  const found: string[] = [];
  for (const { name, isDirectory, isFile } of await entriesOf(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) found.push(...await tracesIn(path, user));
    if (!isFile) continue;
    const bytes = await unlessDeleted(Deno.readFile(path), new Uint8Array());
    for (const [trace, wanted] of tracesOf(user)) {
      if (holdsBytes(bytes, wanted)) found.push(`${path}: ${trace}`);
    }
  }
  return found;
}

async function unlessDeleted<T>(read: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return otherwise;
    throw error;
  }
}
