// phoenix.js in Chromium: `node browser.mjs phoenix-1.8`. The page is the guest's, empty; the package is put into it as a
// page without a bundler would, and each case has a window of its own.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { names, wall } from "./cases.mjs";
import { Chromium } from "./chromium.mjs";
import { folder } from "./packages.mjs";
import { report } from "./report.mjs";

const read = (...file) => fs.readFileSync(path.join(...file), "utf8");
const here = path.dirname(fileURLToPath(import.meta.url));
// A module as an address, under a name of its own in stacks.
const address = (source, name) => `data:text/javascript;base64,${Buffer.from(`${source}\n//# sourceURL=${name}`).toString("base64")}`;
const phoenix = read(folder, process.argv[2], "priv/static/phoenix.min.js");
// One file out of two, because a page has no folder to import from.
const cases = address(read(here, "cases.mjs").replace("./test.mjs", address(read(here, "test.mjs"), "test.mjs")), "cases.mjs");
const { HOST, WALL, CONTROL } = process.env;

const chromium = await Chromium.start();
try {
  await report(names, async name => {
    const page = await chromium.page(`http://${wall(name) ? WALL : HOST}/`);
    try {
      // `var Phoenix = ..` becomes the page's.
      await page.value(`(0, eval)(${JSON.stringify(phoenix)}), typeof Phoenix`);
      const place = `{ phoenix: Phoenix, host: "", control: ${JSON.stringify(CONTROL)} }`;
      return await page.value(`import(${JSON.stringify(cases)}).then(({ run }) => run(${JSON.stringify(name)}, ${place}))`);
    } finally {
      await page.close();
    }
  });
} finally {
  await chromium.stop();
}
