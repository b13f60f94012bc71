// Validates an AsyncAPI document with the official parser: node asyncapi.mjs FOLDER DOCUMENT
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [folder, file] = process.argv.slice(2);
const { Parser } = createRequire(path.join(folder, "package.json"))("@asyncapi/parser");
const found = await new Parser().validate(fs.readFileSync(file, "utf8"));
// 0 is an error, 1 a warning; what is left is advice.
console.log(JSON.stringify(found.filter((diagnostic) => diagnostic.severity <= 1)));
