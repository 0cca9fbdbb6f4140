/**
 * Finds a Python with PyTorch, and the environment in which PyTorch is fastest.
 */
import { findPython } from "./python.ts";

/** A Python that can import torch. */
export function findTorch(): Promise<string | undefined> {
  return findPython(["torch"]);
}

/**
 * Environments of a peer on several threads; its best figure counts. Debian's PyTorch multiplies in
 * OpenBLAS, which has threads of its own besides those of OpenMP: on some machines the two pools
 * take each other's cores, and a training step takes up to ten times as long. With one thread in
 * OpenBLAS the products are not shared, and spinning OpenMP threads pay.
 */
export const PEER_ENVIRONMENTS: readonly Readonly<Record<string, string>>[] = [
  { OMP_WAIT_POLICY: "passive" },
  { OMP_WAIT_POLICY: "passive", OPENBLAS_NUM_THREADS: "1" },
  { OMP_WAIT_POLICY: "active", OPENBLAS_NUM_THREADS: "1" },
];

/**
 * Runs a peer's script to its end.
 *
 * @param environment Added to the environment of this process.
 * @returns Its standard output.
 * @throws {Error} When it fails: the last line that it wrote to standard error.
 */
export async function runTorch(
  python: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(python, {
    args: [...args],
    env: { ...withoutBlasOverrides(), ...environment },
    clearEnv: true,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr).trim().split("\n").at(-1));
  return new TextDecoder().decode(stdout).trim();
}

/** A BLAS kernel that is forced by the environment would slow the peer down. */
function withoutBlasOverrides(): Record<string, string> {
  const environment = Deno.env.toObject();
  delete environment.OPENBLAS_CORETYPE;
  delete environment.OPENBLAS_L2_SIZE;
  return environment;
}
