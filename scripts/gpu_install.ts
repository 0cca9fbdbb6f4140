/**
 * Installs ONNX Runtime's CUDA provider into onnxruntime-node: `deno task gpu:install`.
 *
 * onnxruntime-node for Linux contains the CPU and WebGPU providers only. The package named here
 * carries the official CUDA provider of the same version, built for CUDA 13 and cuDNN 9; provider
 * and runtime must match to the patch.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const PACKAGE = "com.github.asus4.onnxruntime.linux-x64-gpu@0.4.9";
const RUNTIME_VERSION = "1.29.0";
const LIBRARIES = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

if (import.meta.main) {
  try {
    await install();
  } catch (error) {
    console.error(`Cannot install the CUDA provider: ${(error as Error).message}`);
    Deno.exit(1);
  }
}

async function install(): Promise<void> {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    throw new Error(
      `it exists for Linux on x86-64, and this is ${Deno.build.os} on ${Deno.build.arch}.`,
    );
  }
  const require = createRequire(import.meta.url);
  const manifest = require.resolve("onnxruntime-node/package.json");
  const { version } = JSON.parse(await Deno.readTextFile(manifest));
  if (version !== RUNTIME_VERSION) {
    throw new Error(
      `${PACKAGE} fits onnxruntime-node ${RUNTIME_VERSION}, and ${version} is installed.`,
    );
  }
  const target = join(await Deno.realPath(dirname(manifest)), "bin/napi-v6/linux/x64");
  const work = await Deno.makeTempDir({ prefix: "cairn-gpu-" });
  try {
    console.log(`Fetching ${PACKAGE} (180 MB) …`);
    const archive = await run(work, "npm", ["pack", "--silent", PACKAGE]);
    await run(work, "tar", [
      "xzf",
      archive.trim(),
      ...LIBRARIES.map((name) => `package/Plugins/Linux/x64/${name}`),
    ]);
    for (const name of LIBRARIES) {
      await Deno.copyFile(join(work, "package/Plugins/Linux/x64", name), join(target, name));
    }
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  console.log(
    `Installed in ${target}. The libraries of CUDA 13 and cuDNN 9 must be on LD_LIBRARY_PATH.`,
  );
}

async function run(cwd: string, command: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { cwd, args: [...args] })
    .output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`${command} ${args[0]} failed: ${new TextDecoder().decode(stderr).trim()}`);
}
