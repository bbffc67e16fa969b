// Lines for `run.mjs`: how each case went.

export async function report(names, run) {
  for (const name of names) {
    const began = performance.now();
    const tell = (word, why = "") => console.log([word, name, Math.round(performance.now() - began), why.replace(/\s+/g, " ")].join("\t"));
    try {
      const cannot = await run(name);
      tell(cannot ? "cannot" : "ok", cannot || "");
    } catch (error) {
      tell("FAILED", String(error?.stack ?? error));
    }
  }
}
