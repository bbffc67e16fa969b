;; A valid component that exports a function and no handler of any kind.
(component
  (core module $module
    (func (export "answer") (result i32) (i32.const 42)))
  (core instance $guest (instantiate $module))
  (alias core export $guest "answer" (core func $core-answer))
  (func $answer (result u32) (canon lift (core func $core-answer)))
  (export "answer" (func $answer)))
