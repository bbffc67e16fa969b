// phoenix.js in Node: `node node.mjs phoenix-1.8`.

import { names, run, wall } from "./cases.mjs";
import { load } from "./packages.mjs";
import { report } from "./report.mjs";

// 1.7 looks for this one in `self`, and polls with nothing else; 1.8 polls with `fetch`.
if (process.argv[2] === "phoenix-1.7") Object.assign(globalThis, { self: globalThis, XMLHttpRequest: load("xhr2") });
const phoenix = load(process.argv[2]);
const { WebSocket } = load("ws");
const { HOST, WALL, CONTROL } = process.env;

await report(names, name =>
  run(name, { phoenix, host: `ws://${wall(name) ? WALL : HOST}`, control: CONTROL, options: { transport: WebSocket } }));
process.exit(0);
