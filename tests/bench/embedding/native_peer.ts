/** A peer in a process of its own, compiled on the spot, answering one line a command. */
import { join } from "node:path";
import { createHash } from "node:crypto";
import type { Contender, Slice } from "./contender.ts";
import type { Distribution } from "./sequences.ts";

export type NativeName = "libcuckoo" | "phmap" | "absl";
export const NATIVE_NAMES: readonly NativeName[] = ["libcuckoo", "phmap", "absl"];

const PEERS = new URL("./peers/", import.meta.url).pathname;

async function output(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

/**
 * Compiles the peer (once per source and compiler) and returns the program, or why there is none.
 */
export async function compilePeer(
  name: NativeName,
): Promise<{ program: string } | { absent: string }> {
  const source = join(PEERS, "map_peer.cpp");
  try {
    const version = await output("g++", "--version");
    const hash = createHash("sha256").update(version).update(await Deno.readFile(source));
    const folder = join(Deno.env.get("TMPDIR") ?? "/tmp", "cairn-bench-peers");
    await Deno.mkdir(folder, { recursive: true });
    const program = join(folder, `${name}-${hash.digest("hex").slice(0, 16)}`);
    if (await Deno.stat(program).then(() => true, () => false)) return { program };
    const libraries = name === "absl"
      ? (await output("pkg-config", "--libs", "absl_flat_hash_map")).split(/\s+/)
      : [];
    const flags = ["-O3", "-march=native", "-std=c++20", `-DPEER_${name.toUpperCase()}`];
    const temporary = `${program}.${Deno.pid}`;
    await output("g++", ...flags, source, "-o", temporary, ...libraries, "-pthread");
    await Deno.rename(temporary, program);
    return { program };
  } catch (error) {
    return { absent: (error as Error).message.split("\n")[0] };
  }
}

/** The line protocol of `peers/`. */
export class NativePeer implements Contender {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #pending = "";

  /** @param hugePages Whether the allocator asks for huge pages. */
  constructor(
    readonly name: string,
    program: string,
    args: readonly string[],
    hugePages: boolean,
  ) {
    this.#process = new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      env: {
        OMP_NUM_THREADS: "1",
        ...(hugePages ? { GLIBC_TUNABLES: "glibc.malloc.hugetlb=1" } : {}),
      },
    }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    this.#reader = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  async create(dim: number, learns: boolean) {
    await this.#ask(`create ${dim} ${learns ? 1 : 0}`);
  }
  async insert(batch: number) {
    return (await this.#line(`insert ${batch}`)).split(" ").map(Number);
  }
  settle(): Promise<void> {
    return Promise.resolve();
  }
  async lookup({ distribution, batch, start, batches }: Slice) {
    await this.#ask(`load ${distribution}`);
    return this.#ask(`lookup ${distribution} ${start * batch} ${batches * batch} ${batch}`);
  }
  async update({ distribution, batch, start, batches }: Slice) {
    await this.#ask(`load ${distribution}_${batch}`);
    return this.#ask(`update ${distribution}_${batch} ${start} ${batches}`);
  }
  dedupe({ distribution, batch, start, batches }: Slice) {
    return this.#ask(`dedupe ${distribution} ${start * batch} ${batches * batch} ${batch}`);
  }
  sum(distribution: Distribution, count: number) {
    return this.#ask(`sum ${distribution} ${count}`);
  }
  async close() {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.#process.status;
  }

  async #ask(line: string): Promise<number> {
    return Number(await this.#line(line));
  }

  async #line(line: string): Promise<string> {
    await this.#writer.write(new TextEncoder().encode(`${line}\n`));
    while (!this.#pending.includes("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) {
        const { code } = await this.#process.status;
        throw new Error(`Cannot benchmark ${this.name}: "${line}" ended it with status ${code}`);
      }
      this.#pending += value;
    }
    const [answer, ...rest] = this.#pending.split("\n");
    this.#pending = rest.join("\n");
    return answer;
  }
}
