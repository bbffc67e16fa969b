;; A fast-path component whose start function traps: the call dies while it is instantiated.
(component
  (core module $module
    (memory (export "memory") 1)
    (func $trap_at_start unreachable)
    (start $trap_at_start)
    ;; Never reached.
    (func (export "handle") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  )
  (core instance $guest (instantiate $module))

  ;; The interface. Its records have to be named by the exported instance itself, so the function goes through a
  ;; component that does nothing but name them.
  (type $method (variant
    (case "get") (case "head") (case "post") (case "put") (case "delete") (case "connect") (case "options")
    (case "trace") (case "patch") (case "other" string)))
  (type $field (tuple string (list u8)))
  (type $request (record
    (field "method" $method) (field "uri" string) (field "captures" (option string))
    (field "headers" (list u8)) (field "body" (option (list u8)))))
  (type $response (record (field "status" u16) (field "headers" (list $field)) (field "body" (list u8))))
  (alias core export $guest "memory" (core memory $memory))
  (alias core export $guest "cabi_realloc" (core func $realloc))
  (alias core export $guest "handle" (core func $core-handle))
  (func $handle (param "request" $request) (result $response)
    (canon lift (core func $core-handle) (memory $memory) (realloc $realloc)))
  (component $naming
    (type $method' (variant
      (case "get") (case "head") (case "post") (case "put") (case "delete") (case "connect")
      (case "options") (case "trace") (case "patch") (case "other" string)))
    (import "method" (type $method (eq $method')))
    (type $field (tuple string (list u8)))
    (type $request' (record
      (field "method" $method) (field "uri" string) (field "captures" (option string))
      (field "headers" (list u8)) (field "body" (option (list u8)))))
    (type $response' (record (field "status" u16) (field "headers" (list $field)) (field "body" (list u8))))
    (import "request" (type $request (eq $request')))
    (import "response" (type $response (eq $response')))
    (import "handle" (func $handle (param "request" $request) (result $response)))
    (export $method-named "method" (type $method'))
    (type $request'' (record
      (field "method" $method-named) (field "uri" string) (field "captures" (option string))
      (field "headers" (list u8)) (field "body" (option (list u8)))))
    (export $request-named "request" (type $request''))
    (export $response-named "response" (type $response'))
    (export "handle" (func $handle) (func (param "request" $request-named) (result $response-named))))
  (instance $handler (instantiate $naming
    (with "method" (type $method)) (with "request" (type $request)) (with "response" (type $response)) (with "handle" (func $handle))))
  (export "skep:plugin/http-handler@0.1.0" (instance $handler)))
