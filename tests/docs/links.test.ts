/**
 * Checks the references of all Markdown files: relative links, anchors, and paths in backticks that
 * begin with a room. Checks the names of documents in sources, too.
 */
import assert from "node:assert/strict";
import { listRustFiles, listSourceFiles, rooms } from "../../scripts/source_files.ts";

const root = new URL("../../", import.meta.url).pathname;

/** All Markdown files of the project, relative to its root. */
async function listPages(folder = ""): Promise<string[]> {
  const pages: string[] = [];
  for await (const { name, isDirectory, isFile } of Deno.readDir(root + folder)) {
    if (name.startsWith(".") || ["node_modules", "target", "data"].includes(name)) continue;
    if (isDirectory) pages.push(...await listPages(`${folder}${name}/`));
    else if (isFile && name.endsWith(".md")) pages.push(folder + name);
  }
  return pages.sort();
}

/** The Markdown without fenced code. */
function withoutCode(markdown: string): string {
  return markdown.replace(/^( *)```[^]*?^\1```/gm, "");
}

/** Anchors of the headings, made as GitHub does. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...withoutCode(markdown).matchAll(/^#+ (.*)$/gm)];
  return new Set(
    headings.map(([, heading]) =>
      heading.replace(/\]\([^)]*\)/g, "").toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, "")
        .replaceAll(" ", "-")
    ),
  );
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

const pages = await listPages();

Deno.test("every relative link of a Markdown file resolves, anchors included", async () => {
  const broken: string[] = [];
  let links = 0;
  for (const page of pages) {
    const text = withoutCode(await Deno.readTextFile(root + page));
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      links++;
      const [path, anchor] = target.split("#");
      const file = path === ""
        ? root + page
        : new URL(path, new URL(page, `file://${root}`)).pathname;
      if (!await exists(file)) broken.push(`${page}: ${target}`);
      else if (anchor !== undefined && file.endsWith(".md")) {
        if (!anchorsOf(await Deno.readTextFile(file)).has(anchor)) {
          broken.push(`${page}: ${target} (no such heading)`);
        }
      }
    }
  }
  assert.deepEqual(broken, []);
  assert.ok(links > 50, `only ${links} links were seen in ${pages.length} pages`);
});

Deno.test("every path in backticks that begins with a room exists", async () => {
  const folders = [...rooms, "docs", "scripts", "tests", "examples"].join("|");
  const pattern = new RegExp(`^(?:${folders})/[\\w./-]+$`);
  const missing: string[] = [];
  let paths = 0;
  for (const page of pages) {
    const text = withoutCode(await Deno.readTextFile(root + page));
    for (const [, span] of text.matchAll(/`([^`\n]+)`/g)) {
      if (!pattern.test(span) || span.includes("/X/")) continue;
      paths++;
      if (!await exists(root + span)) missing.push(`${page}: ${span}`);
    }
  }
  assert.deepEqual(missing, []);
  assert.ok(paths > 10, `only ${paths} paths were seen`);
});

Deno.test("every document that a source names exists", async () => {
  const missing: string[] = [];
  for (const file of [...await listSourceFiles(root), ...await listRustFiles(root)]) {
    for (const [path] of (await Deno.readTextFile(file)).matchAll(/\bdocs\/[\w./-]+\.md\b/g)) {
      if (!await exists(root + path)) missing.push(`${file.slice(root.length)}: ${path}`);
    }
  }
  assert.deepEqual(missing, []);
});
