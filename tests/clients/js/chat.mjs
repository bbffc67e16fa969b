// The page of `examples/chat` in Chromium, as two users in two windows have it.

import path from "node:path";

import { Chromium } from "./chromium.mjs";
import { report } from "./report.mjs";

const there = '[...document.querySelectorAll("#there li")].map(who => who.textContent + (who.className && " " + who.className)).sort().join()';
const said = '[...document.querySelectorAll("#said li")].map(line => line.textContent).join("|")';
const is = (expression, expected) => `${expression} === ${JSON.stringify(expected)}`;
const open = name => chromium.page(`http://${process.env.HOST}/?name=${name}&room=hive`);
const type = async (page, text) => {
  await page.value('document.getElementById("body").focus()');
  await page.type(text);
};
const say = async (page, text) => {
  await type(page, text);
  await page.enter();
};
const picture = path.join(process.env.TARGET, "clients-chat.png");

const steps = {
  "sees the other come": async () => {
    anna = await open("anna");
    await anna.until(is(there, "anna"));
    ben = await open("ben");
    for (const page of [anna, ben]) await page.until(is(there, "anna,ben"));
  },
  "sees the other type": async () => {
    // It is shown for as long as somebody types.
    await anna.until(is(there, "anna,ben typing"), () => type(ben, "."));
    await anna.picture(picture.replace(".png", "-typing.png"));
  },
  "hears the other": async () => {
    await ben.value('document.getElementById("body").value = ""');
    await say(ben, "hello anna");
    for (const page of [anna, ben]) await page.until(is(said, "ben hello anna"));
    await anna.until(is(there, "anna,ben"));
    await say(anna, "hi ben");
    for (const page of [anna, ben]) await page.until(is(said, "ben hello anna|anna hi ben"));
    await anna.until(is(there, "anna,ben"));
    await anna.picture(picture);
  },
  "sees the other go, and come again": async () => {
    await ben.close();
    await anna.until(is(there, "anna"));
    ben = await open("ben");
    await anna.until(is(there, "anna,ben"));
    await ben.until(is(said, "ben hello anna|anna hi ben"));
  },
  "is there again when the host was killed": async () => {
    await fetch(`http://${process.env.CONTROL}/kill`);
    for (const page of [anna, ben]) await page.until(is('document.getElementById("state").textContent', "connecting…"));
    await fetch(`http://${process.env.CONTROL}/start`);
    await say(anna, "still here?");
    await ben.until(`${said}.endsWith("anna still here?")`);
    for (const page of [anna, ben]) await page.until(is(there, "anna,ben"));
  },
};

let anna, ben;
const chromium = await Chromium.start();
try {
  await report(Object.keys(steps), name => steps[name]());
} finally {
  await chromium.stop();
}
