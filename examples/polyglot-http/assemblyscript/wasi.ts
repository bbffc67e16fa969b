// The few functions of wasi:http and wasi:io that the handler calls, as the component model's canonical ABI has them:
// a resource is a handle (i32), a string or list is an address and a length, and a result too large for a return value
// is written to an address that the caller gives. No generator makes these for AssemblyScript yet.

/** Where results are written: `u8` case first, its payload from the fourth byte on. */
const result = memory.data(16, 8);

const TAG = result;
const PAYLOAD = result + 4;

// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[method]incoming-request.method")
declare function request_method(self: i32, result: usize): void;
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[method]incoming-request.path-with-query")
declare function request_path(self: i32, result: usize): void;
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[method]incoming-request.headers")
declare function request_headers(self: i32): i32;
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[method]incoming-request.consume")
declare function request_consume(self: i32, result: usize): void;
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[method]incoming-body.stream")
declare function incoming_stream(self: i32, result: usize): void;
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[method]fields.get")
declare function fields_get(self: i32, name: usize, nameLength: i32, result: usize): void;
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[constructor]fields")
declare function fields_new(): i32;
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[method]fields.append")
declare function fields_append(
  self: i32, name: usize, nameLength: i32, value: usize, valueLength: i32, result: usize,
): void;
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[constructor]outgoing-response")
declare function response_new(headers: i32): i32;
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[method]outgoing-response.set-status-code")
declare function response_status(self: i32, status: i32): i32;
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[method]outgoing-response.body")
declare function response_body(self: i32, result: usize): void;
// The parameters after the response's handle would describe an error: as wide as the widest of its cases.
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[static]response-outparam.set")
declare function outparam_set(
  self: i32, isError: i32, response: i32, e1: i32, e2: i64, e3: i32, e4: i32, e5: i32, e6: i32,
): void;
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[method]outgoing-body.write")
declare function outgoing_write(self: i32, result: usize): void;
// @ts-ignore: decorator
@external("wasi:http/types@0.2.10", "[static]outgoing-body.finish")
declare function outgoing_finish(self: i32, hasTrailers: i32, trailers: i32, result: usize): void;
// @ts-ignore: decorator
@external("wasi:io/streams@0.2.10", "[method]input-stream.blocking-read")
declare function input_read(self: i32, length: i64, result: usize): void;
// @ts-ignore: decorator
@external("wasi:io/streams@0.2.10", "[method]output-stream.blocking-write-and-flush")
declare function output_write(self: i32, bytes: usize, length: i32, result: usize): void;
// @ts-ignore: decorator
@external("wasi:io/streams@0.2.10", "[resource-drop]output-stream")
declare function output_drop(self: i32): void;

/** How the host asks for room in this memory, to put a string or a list into it. */
export function cabi_realloc(old: usize, oldSize: usize, align: usize, size: usize): usize {
  return old ? heap.realloc(old, size) : heap.alloc(size);
}

export class Request {
  constructor(private handle: i32) {}

  /** Get and Post as the WIT orders them; every other method is not needed here. */
  get isGet(): bool { return this.method() == 0; }
  get isPost(): bool { return this.method() == 2; }

  private method(): u8 {
    request_method(this.handle, result);
    return load<u8>(TAG);
  }

  get target(): string {
    request_path(this.handle, result);
    return load<u8>(TAG) ? String.UTF8.decodeUnsafe(load<usize>(PAYLOAD), load<i32>(PAYLOAD, 4)) : "/";
  }

  header(name: string, otherwise: string): string {
    const key = String.UTF8.encode(name);
    fields_get(request_headers(this.handle), changetype<usize>(key), key.byteLength, result);
    if (load<i32>(result, 4) == 0) return otherwise;
    const first = load<usize>(result);
    return String.UTF8.decodeUnsafe(load<usize>(first), load<i32>(first, 4));
  }

  /** Hands on each chunk of the body as it comes, and frees it. */
  copyTo(response: Response): void {
    request_consume(this.handle, result);
    incoming_stream(load<i32>(PAYLOAD), result);
    const stream = load<i32>(PAYLOAD);
    while (true) {
      input_read(stream, 65536, result);
      if (load<u8>(TAG)) {
        // Closed is how a body ends. After any other error the answer must not end as if it were complete.
        if (load<u8>(PAYLOAD) == 1) response.finish();
        return;
      }
      const bytes = load<usize>(PAYLOAD);
      if (!response.write(bytes, load<i32>(PAYLOAD, 4))) return;
      if (bytes) heap.free(bytes);
    }
  }
}

export class Response {
  private body: i32;
  private stream: i32;

  /** Sends the head, so that it leaves at once. */
  constructor(out: i32, status: i32, contentType: string) {
    const headers = fields_new();
    const name = String.UTF8.encode("content-type");
    const value = String.UTF8.encode(contentType);
    fields_append(
      headers, changetype<usize>(name), name.byteLength, changetype<usize>(value), value.byteLength, result,
    );
    const response = response_new(headers);
    response_status(response, status);
    response_body(response, result);
    this.body = load<i32>(PAYLOAD);
    outparam_set(out, 0, response, 0, 0, 0, 0, 0, 0);
    outgoing_write(this.body, result);
    this.stream = load<i32>(PAYLOAD);
  }

  /** False once the client has gone. */
  write(bytes: usize, length: i32): bool {
    // 4096 is the most that WASI lets pass in one blocking write.
    for (let at = 0; at < length; at += 4096) {
      output_write(this.stream, bytes + at, min(length - at, 4096), result);
      if (load<u8>(TAG)) return false;
    }
    return true;
  }

  finish(): void {
    // The stream is a child of the body and has to go first.
    output_drop(this.stream);
    outgoing_finish(this.body, 0, 0, memory.data(64, 8));
  }
}
