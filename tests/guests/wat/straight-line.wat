;; A fast-path component that calls the host over and over without a loop or a function of its own in between, which is where
;; fuel is looked at. The test puts in as many calls as it wants. It answers if it gets through.
(component
  ;; In a module of its own, so that the call goes straight to the host.
  (core module $memory-module
    (memory (export "memory") 2)
    ;; A response record: status 200, no headers, the body at 64.
    (data (i32.const 16) "\c8\00\00\00" "\00\00\00\00" "\00\00\00\00" "\40\00\00\00" "\0b\00\00\00")
    (data (i32.const 64) "got through")
  )
  (core instance $memories (instantiate $memory-module))
  (alias core export $memories "memory" (core memory $memory))

  (import "wasi:logging/logging" (instance $logging
    (type $level' (enum "trace" "debug" "info" "warn" "error" "critical"))
    (export "level" (type $level (eq $level')))
    (export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))
  (alias export $logging "log" (func $log))
  (core func $core-log (canon lower (func $log) (memory $memory)))

  (core module $module
    (import "host" "memory" (memory 2))
    (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
    ;; Bumps and never frees; a request that does not fit in the first memory traps when it is copied.
    (global $free (mut i32) (i32.const 1024))
    (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
      (result i32) (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (local.get $at))
    (func (export "handle") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      (; calls ;)
      (i32.const 16))
  )
  (core instance $guest (instantiate $module (with "host" (instance
    (export "memory" (memory $memory))
    (export "log" (func $core-log))))))

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
