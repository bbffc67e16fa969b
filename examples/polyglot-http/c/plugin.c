// A WASI HTTP handler in C, on the bindings that wit-bindgen made of ../wit.
//
// Nothing is freed: a handler gets an instance of its own for each request, and its memory ends with it. Where the host
// is asked to keep instances for more requests, or for a body of any size, that has to change; `copy_body` shows how.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/handler.h"

// The most that WASI lets pass in one blocking write.
#define CHUNK 4096

typedef struct {
  wasi_http_types_own_outgoing_body_t body;
  wasi_io_streams_own_output_stream_t stream;
} response_t;

// The bindings take strings as they are, without a copy, and never write to them.
static handler_string_t str(const char *text) {
  return (handler_string_t){(uint8_t *)text, strlen(text)};
}

// Sends the head, so that it leaves at once, and hands out the body to be written.
static response_t respond(wasi_http_types_own_response_outparam_t out, uint16_t status, const char *content_type) {
  wasi_http_types_own_fields_t headers = wasi_http_types_constructor_fields();
  handler_string_t name = str("content-type");
  wasi_http_types_field_value_t value = {(uint8_t *)content_type, strlen(content_type)};
  wasi_http_types_header_error_t invalid;
  wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(headers), &name, &value, &invalid);

  wasi_http_types_own_outgoing_response_t response = wasi_http_types_constructor_outgoing_response(headers);
  wasi_http_types_borrow_outgoing_response_t borrowed = wasi_http_types_borrow_outgoing_response(response);
  wasi_http_types_method_outgoing_response_set_status_code(borrowed, status);

  response_t sent;
  wasi_http_types_method_outgoing_response_body(borrowed, &sent.body);
  wasi_http_types_result_own_outgoing_response_error_code_t ok = {.is_err = false, .val.ok = response};
  wasi_http_types_static_response_outparam_set(out, &ok);
  wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(sent.body), &sent.stream);
  return sent;
}

// False once the client has gone: there is nobody left to write to.
static bool write_all(response_t *to, uint8_t *bytes, size_t len) {
  wasi_io_streams_borrow_output_stream_t stream = wasi_io_streams_borrow_output_stream(to->stream);
  while (len > 0) {
    handler_list_u8_t part = {bytes, len < CHUNK ? len : CHUNK};
    wasi_io_streams_stream_error_t error;
    if (!wasi_io_streams_method_output_stream_blocking_write_and_flush(stream, &part, &error)) return false;
    bytes += part.len;
    len -= part.len;
  }
  return true;
}

static void finish(response_t *to) {
  // The stream is a child of the body and has to go first.
  wasi_io_streams_output_stream_drop_own(to->stream);
  wasi_http_types_error_code_t error;
  wasi_http_types_static_outgoing_body_finish(to->body, NULL, &error);
}

static void text(wasi_http_types_own_response_outparam_t out, uint16_t status, const char *body) {
  response_t to = respond(out, status, "text/plain");
  if (write_all(&to, (uint8_t *)body, strlen(body))) finish(&to);
}

// Hands on each chunk as it comes and frees it, so a body of any size passes through a small memory.
static void copy_body(wasi_http_types_borrow_incoming_request_t request, response_t *to) {
  wasi_http_types_own_incoming_body_t body;
  wasi_io_streams_own_input_stream_t input;
  wasi_http_types_method_incoming_request_consume(request, &body);
  wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(body), &input);

  handler_list_u8_t chunk;
  wasi_io_streams_stream_error_t error;
  bool there = true;
  while (there && wasi_io_streams_method_input_stream_blocking_read(wasi_io_streams_borrow_input_stream(input),
                                                                    16 * CHUNK, &chunk, &error)) {
    there = write_all(to, chunk.ptr, chunk.len);
    handler_list_u8_free(&chunk);
  }
  wasi_io_streams_input_stream_drop_own(input);
  wasi_http_types_incoming_body_drop_own(body);
  if (there && error.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED) finish(to);
  // A body left unfinished is cut off by the host, so half an answer is never taken for a whole one.
}

// The first value of a header as a C string, or `otherwise`.
static const char *header(wasi_http_types_borrow_incoming_request_t request, const char *name, const char *otherwise) {
  wasi_http_types_own_fields_t headers = wasi_http_types_method_incoming_request_headers(request);
  handler_string_t key = str(name);
  wasi_http_types_list_field_value_t values;
  wasi_http_types_method_fields_get(wasi_http_types_borrow_fields(headers), &key, &values);
  wasi_http_types_fields_drop_own(headers);
  return values.len == 0 ? otherwise : strndup((char *)values.ptr[0].ptr, values.ptr[0].len);
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The value of a query parameter, percent-decoded, or `otherwise`.
static const char *parameter(const char *query, const char *name, const char *otherwise) {
  size_t len = strlen(name);
  for (const char *pair = query; pair != NULL && *pair != '\0'; pair = strchr(pair, '&'), pair += pair != NULL) {
    if (strncmp(pair, name, len) != 0 || pair[len] != '=') continue;
    const char *from = pair + len + 1;
    char *value = malloc(strcspn(from, "&") + 1), *to = value;
    while (*from != '\0' && *from != '&') {
      if (*from == '%' && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
        *to++ = (char)(hex(from[1]) << 4 | hex(from[2]));
        from += 3;
      } else {
        *to++ = *from == '+' ? ' ' : *from;
        from++;
      }
    }
    *to = '\0';
    return value;
  }
  return otherwise;
}

// The one export of the component.
void exports_wasi_http_incoming_handler_handle(wasi_http_types_own_incoming_request_t owned,
                                               wasi_http_types_own_response_outparam_t out) {
  wasi_http_types_borrow_incoming_request_t request = wasi_http_types_borrow_incoming_request(owned);
  wasi_http_types_method_t method;
  wasi_http_types_method_incoming_request_method(request, &method);
  bool get = method.tag == WASI_HTTP_TYPES_METHOD_GET, post = method.tag == WASI_HTTP_TYPES_METHOD_POST;

  handler_string_t target = str("/");
  wasi_http_types_method_incoming_request_path_with_query(request, &target);
  char *path = strndup((char *)target.ptr, target.len);
  char *query = path + strcspn(path, "?");
  if (*query == '?') *query++ = '\0';

  if (get && strcmp(path, "/c") == 0) {
    text(out, 200, "hello from c\n");
  } else if (get && strcmp(path, "/c/inspect") == 0) {
    char *body;
    asprintf(&body, "name: %s\nuser-agent: %s\n", parameter(query, "name", "stranger"),
             header(request, "user-agent", ""));
    text(out, 200, body);
  } else if (post && strcmp(path, "/c/echo") == 0) {
    response_t to = respond(out, 200, header(request, "content-type", "application/octet-stream"));
    copy_body(request, &to);
  } else {
    text(out, 404, "not found\n");
  }
}
