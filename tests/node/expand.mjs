// Reads JSON-LD documents with jsonld.js, as a web page would, and writes what they say.
// Standard input: a URL a line. Standard output: N-Quads, as JSON by URL.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const jsonld = createRequire(`${process.argv[2]}/`)("jsonld");
const found = {};
for await (const url of createInterface({ input: process.stdin })) {
  found[url] = await jsonld.toRDF(url, { format: "application/n-quads" });
}
console.log(JSON.stringify(found));
