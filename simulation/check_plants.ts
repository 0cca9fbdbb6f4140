import { plants } from "./plants/plants.ts";
for (const p of plants) {
  const t = await Deno.readTextFile(p.file);
  const n = t.split(p.find).length - 1;
  if (n !== 1) console.log(p.name, p.file, "matches", n);
}
