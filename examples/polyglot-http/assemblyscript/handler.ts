// A WASI HTTP handler in AssemblyScript, on the hand-written bindings of wasi.ts.
//
// Nothing is collected: a handler gets an instance of its own for each request, and its memory ends with it.

import { Request, Response } from "./wasi";

export { cabi_realloc } from "./wasi";

export function handle(incoming: i32, out: i32): void {
  const request = new Request(incoming);
  const target = request.target;
  const at = target.indexOf("?");
  const path = at < 0 ? target : target.substring(0, at);
  const query = at < 0 ? "" : target.substring(at + 1);

  if (request.isGet && path == "/assemblyscript") {
    text(out, 200, "hello from assemblyscript\n");
  } else if (request.isGet && path == "/assemblyscript/inspect") {
    const name = parameter(query, "name", "stranger");
    text(out, 200, `name: ${name}\nuser-agent: ${request.header("user-agent", "")}\n`);
  } else if (request.isPost && path == "/assemblyscript/echo") {
    request.copyTo(new Response(out, 200, request.header("content-type", "application/octet-stream")));
  } else {
    text(out, 404, "not found\n");
  }
}

function text(out: i32, status: i32, body: string): void {
  const response = new Response(out, status, "text/plain");
  const bytes = String.UTF8.encode(body);
  if (response.write(changetype<usize>(bytes), bytes.byteLength)) response.finish();
}

function parameter(query: string, name: string, otherwise: string): string {
  const pairs = query.split("&");
  for (let i = 0; i < pairs.length; i++) {
    // A malformed escape ends this instance, and with it this one request: the host answers for it.
    if (pairs[i].startsWith(name + "=")) return decodeURIComponent(pairs[i].substring(name.length + 1).replaceAll("+", " "));
  }
  return otherwise;
}
