/**
 * Runs the PyTorch peer with whichever Python can import torch: $PYTHON, python3, or the system's own.
 */
export interface PytorchResult {
  readonly examplesPerSecond: number;
  readonly version: string;
}

const script = new URL("./torch_deepfm.py", import.meta.url).pathname;

/** Undefined where no Python here can import torch. */
export async function runPytorch(
  batch: number,
  ids: number,
  seconds: number,
): Promise<PytorchResult | undefined> {
  const candidates = [Deno.env.get("PYTHON"), "python3", "/usr/bin/python3"];
  for (const python of candidates) {
    if (python === undefined || !await imports(python, "torch")) continue;
    const { stdout, stderr, success } = await new Deno.Command(python, {
      args: [script, String(batch), String(ids), String(seconds)],
      env: withoutBlasOverrides(),
      clearEnv: true,
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout));
  }
  return undefined;
}

async function imports(python: string, module: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(python, {
      args: ["-c", `import ${module}`],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false; // no such program
  }
}

/** A BLAS kernel that is forced by the environment would slow the peer down. */
function withoutBlasOverrides(): Record<string, string> {
  const environment = Deno.env.toObject();
  delete environment.OPENBLAS_CORETYPE;
  delete environment.OPENBLAS_L2_SIZE;
  return environment;
}
