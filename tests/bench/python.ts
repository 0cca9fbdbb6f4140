/**
 * Finds a Python that has the modules of a peer.
 */

/** The first of $PYTHON, python3 and the system's own that can import all modules. */
export async function findPython(modules: readonly string[]): Promise<string | undefined> {
  for (const python of [Deno.env.get("PYTHON"), "python3", "/usr/bin/python3"]) {
    if (python !== undefined && await imports(python, modules)) return python;
  }
  return undefined;
}

async function imports(python: string, modules: readonly string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(python, {
      args: ["-c", `import ${modules.join(", ")}`],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false; // no such program
  }
}
