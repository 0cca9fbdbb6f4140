/**
 * Log lines as text: JSON for machines, one short line for a terminal.
 */
import type { LogLevel } from "../../ports/telemetry.ts";

/** From the least to the most urgent. */
export const logLevels: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** `{"time":"…","level":"warn","message":"…",…fields}` without a line end. */
export function jsonLine({ level, message, fields }: LogLine, nowMs: number): string {
  const time = new Date(nowMs).toISOString();
  return JSON.stringify({ time, level, message, ...plain(fields) }, replaceUnprintable);
}

/** `12:00:00.000 WARN message key=value …` without a line end. */
export function terminalLine({ level, message, fields }: LogLine, nowMs: number): string {
  const time = new Date(nowMs).toISOString().slice(11, 23);
  const pairs = Object.entries(plain(fields)).map(([key, value]) =>
    ` ${key}=${typeof value === "string" ? value : JSON.stringify(value, replaceUnprintable)}`
  );
  return `${time} ${level.toUpperCase().padEnd(5)} ${message}${pairs.join("")}`;
}

/** Errors have no enumerable fields, so they become their stack. */
function plain(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      value instanceof Error ? value.stack ?? `${value.name}: ${value.message}` : value,
    ]),
  );
}

/** A log line must never fail: JSON has no bigint. */
function replaceUnprintable(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
