/**
 * Builds the embedding kernel's WebAssembly from its Rust source.
 *
 *     deno run -A scripts/build_kernel.ts            writes kernels/embedding/kernel.wasm
 *     deno run -A scripts/build_kernel.ts --check    rebuilds and compares, writes nothing
 *     deno run -A scripts/build_kernel.ts --test     runs the crate's tests inside WebAssembly
 *
 * The tests also run inside WebAssembly because only there the SIMD routines are compiled: on the
 * host a routine may fall back to the scalar code that it is compared with.
 *
 * The committed bytes come from Debian's rustc (`apt-get install rustc libstd-rust-dev-wasm32
 * lld-19`); CAIRN_RUSTC names another compiler. Paths are remapped, so the bytes do not depend on
 * the folder.
 */
const CRATE = new URL("../kernels/embedding/", import.meta.url).pathname;
const TARGET = `${CRATE}kernel.wasm`;
const BYTES_MAX = 228_000;

async function run(command: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args] }).output()
    .catch((error: Error) => {
      throw new Error(
        `Cannot run ${command}: ${error.message}. Install Debian's rustc, libstd-rust-dev-wasm32 and lld-19, ` +
          "or set CAIRN_RUSTC",
      );
    });
  const text = new TextDecoder();
  if (code !== 0) throw new Error(`${command} failed:\n${text.decode(stderr)}`);
  return text.decode(stdout);
}

const KERNEL = ["--crate-type=cdylib", "-Clto=fat", "-Ccodegen-units=1", "-Cstrip=symbols"];

/** Compiles the crate to `output`: optimised, without symbols or paths of this machine. */
async function build(output: string, kind: readonly string[]): Promise<Uint8Array<ArrayBuffer>> {
  const rustc = Deno.env.get("CAIRN_RUSTC") ?? "/usr/bin/rustc";
  const sysroot = (await run(rustc, ["--print", "sysroot"])).trim();
  await run(rustc, [
    ...["--edition=2021", "--crate-name=cairn_embedding", "--target=wasm32-unknown-unknown"],
    ...["-Copt-level=3", "-Cpanic=abort", "-Ctarget-feature=+simd128,+bulk-memory", ...kind],
    ...[
      "-Clinker=wasm-ld-19",
      `--remap-path-prefix=${CRATE}=`,
      `--remap-path-prefix=${sysroot}=/rust`,
    ],
    ...["-o", output, `${CRATE}src/lib.rs`],
  ]);
  return await Deno.readFile(output);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, position) => byte === b[position]);
}

/** Runs the test binary; a failing test traps. */
function runTests(module: BufferSource): void {
  const { main, tests_ran } = new WebAssembly.Instance(new WebAssembly.Module(module))
    .exports as Record<string, (...args: number[]) => number>;
  try {
    main(0, 0);
  } catch (cause) {
    throw new Error(`a test of the crate fails inside WebAssembly: ${(cause as Error).message}`);
  }
  if (tests_ran() !== 1) throw new Error("the crate's tests did not run");
  console.log("the crate's tests pass inside WebAssembly");
}

async function writeOrCompare(built: Uint8Array): Promise<void> {
  console.log(`kernel.wasm: ${built.length} bytes of at most ${BYTES_MAX}`);
  if (built.length > BYTES_MAX) {
    throw new Error(`kernel.wasm is ${built.length} bytes; keep it under ${BYTES_MAX}`);
  }
  if (!Deno.args.includes("--check")) return await Deno.writeFile(TARGET, built);
  if (!equal(built, await Deno.readFile(TARGET))) {
    throw new Error(
      "kernels/embedding/kernel.wasm differs from its compiled source; run scripts/build_kernel.ts and commit it",
    );
  }
  console.log("kernel.wasm: the committed bytes equal the compiled source");
}

const folder = await Deno.makeTempDir({ prefix: "cairn-kernel-" });
try {
  if (Deno.args.includes("--test")) runTests(await build(`${folder}/tests.wasm`, ["--test"]));
  else await writeOrCompare(await build(`${folder}/kernel.wasm`, KERNEL));
} catch (error) {
  console.error((error as Error).message);
  Deno.exitCode = 1;
} finally {
  await Deno.remove(folder, { recursive: true });
}
