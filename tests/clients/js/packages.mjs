// Packages from where they are installed: a folder under `target/`, not beside these files.

import { createRequire } from "node:module";
import path from "node:path";

export const folder = process.env.CLIENTS_NODE_MODULES;
const require = createRequire(path.join(folder, "x.js"));
export const load = name => require(name);
export const version = name => load(path.join(folder, name, "package.json")).version;
