// A service worker's `fetch` event: the same file would run on other hosts that speak it.
addEventListener("fetch", (event) => event.respondWith(handle(event.request)));

// What stands outside a function runs once, at build time, and is part of the component's snapshot:
// a good place for tables and parsed templates, a bad one for the time or a random number.
const routes = {
  "GET /js": () => text("hello from js\n"),
  "GET /js/inspect": (request, query) =>
    text(`name: ${query.get("name") ?? "stranger"}\nuser-agent: ${request.headers.get("user-agent")}\n`),
  // The request's body is a stream, and handing it on as it is keeps it one.
  "POST /js/echo": (request) =>
    new Response(request.body, {
      headers: { "content-type": request.headers.get("content-type") ?? "application/octet-stream" },
    }),
};

function handle(request) {
  const { pathname, searchParams } = new URL(request.url);
  const route = routes[`${request.method} ${pathname}`];
  return route ? route(request, searchParams) : text("not found\n", 404);
}

function text(body, status = 200) {
  return new Response(body, { status, headers: { "content-type": "text/plain" } });
}
