/**
 * The work of `cairn health`.
 */
import type { Output } from "../command_line.ts";
import { CommandError, usageError } from "../errors.ts";
import type { HealthFlags } from "./command.ts";

/** A health check of a container gives up before its own time limit. */
const TIMEOUT_MS = 2_500;

/**
 * Prints the server's answer.
 *
 * @throws {CommandError} When the server does not answer, or says that it is not ready.
 */
export async function health(flags: HealthFlags, output: Output): Promise<void> {
  const url = healthUrl(flags);
  const [status, text] = await answerOf(url);
  if (status === 200) return output.out(`${text.trimEnd()}\n`);
  throw new CommandError(`${url} answers ${status}: ${text.trimEnd()}`);
}

function healthUrl({ url, live = false }: HealthFlags): URL {
  try {
    return new URL(live ? "/health/live" : "/health/ready", url);
  } catch {
    throw usageError(`--url: found "${url}"; give an address like http://127.0.0.1:8080`);
  }
}

async function answerOf(url: URL): Promise<[number, string]> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return [response.status, await response.text()];
  } catch (error) {
    throw new CommandError(`${url} does not answer`, undefined, error);
  }
}
